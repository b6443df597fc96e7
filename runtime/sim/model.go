package sim

import (
	"errors"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
)

// model is what the run knows beyond what the cluster does.
type model struct {
	s        *Sim
	addrs    []core.Address
	programs []*program // by id; the first is none
	roots    []*program // of records
	poisoned []int      // Addresses that get messages which always fail
	copies   []*copies  // of messages with dedupe ids
	drops    drops
	redrives redrives
	gaps     map[core.Address]bool // where an operator dropped something

	tries    map[stamp]*tryInfo
	inflight map[flight]*tryInfo
	open     map[core.Generation]int // tries in flight

	app     *checkpoint.Application // without faults between
	scanned checkpoint.Number       // of the log
	last    *checkpoint.Manifest
	lastAt  checkpoint.Number
	reign   core.Generation // of the last claim
	commits map[core.CheckpointID]core.Generation
}

// tryInfo is what happened to a try.
type tryInfo struct {
	started core.Millis // of the worker's time
	applied core.Millis // when its answer was applied, if it was
	ended   bool
	era     int      // of the oldest code that the worker may know
	alone   *program // the message, if there is one
}

type flight struct {
	gen  core.Generation
	addr core.Address
}

func newModel(s *Sim) *model {
	return &model{
		s: s, programs: []*program{nil}, gaps: map[core.Address]bool{}, tries: map[stamp]*tryInfo{},
		inflight: map[flight]*tryInfo{}, open: map[core.Generation]int{}, commits: map[core.CheckpointID]core.Generation{},
	}
}

// before notes what an event is about to end.
func (m *model) before(w *worker, ev core.Event) {
	switch ev := ev.(type) {
	case core.Results:
		for i := range ev.Results {
			m.ended(w, &ev.Results[i])
		}
	case core.TokensFound: // a response waited for it, and is applied now
		if t := m.inflight[flight{w.g.id, ev.Sender}]; t != nil {
			t.applied = w.now
		}
	}
}

func (m *model) ended(w *worker, r *core.Result) {
	inv := r.Invocation
	if inv.Try.Generation != w.g.id {
		return
	}
	t := m.tries[stampOf(inv.Try)]
	if t.ended {
		return
	}
	t.ended, t.applied = true, w.now
	m.open[w.g.id]--
	if resp := r.Outcome.Response; resp != nil && resp.Incomplete && len(inv.States) == 0 {
		w.learned[inv.Endpoint] = true
	}
}

// started checks that an Address has no other try under way.
func (m *model) started(w *worker, inv *core.Invocation) {
	by := stampOf(inv.Try)
	if inv.Try.Generation != w.g.id || m.tries[by] != nil {
		m.s.fail("try %s is not new in generation %d", inv.Try, w.g.id)
	}
	f := flight{w.g.id, inv.Target}
	if t := m.inflight[f]; t != nil && !t.ended {
		m.s.fail("%s has two tries under way", inv.Target)
	}
	if len(inv.Messages) == 0 {
		m.s.fail("%s is invoked without a message", inv.Target)
	}
	if most := m.s.app.Endpoints[inv.Endpoint].MaxBatch; most > 0 && len(inv.Messages) > most {
		m.s.fail("%s is given %d messages, at most %d", inv.Target, len(inv.Messages), most)
	}
	t := &tryInfo{started: w.now}
	if w.learned[inv.Endpoint] {
		t.era = w.g.eras[inv.Endpoint]
	}
	if len(inv.Messages) == 1 {
		t.alone, _, _ = m.s.decodeMessage(inv.Messages[0].Arg)
	}
	m.tries[by], m.inflight[f] = t, t
	m.open[w.g.id]++
	m.s.note("try", uint64(inv.Try.N), uint64(inv.Target.Hash())) //nolint:unconvert // plain numbers
}

// announced: what is said to be committed stands in the log, in this generation's name.
func (m *model) announced(g *generation, n core.CheckpointID) {
	m.s.note("committed", uint64(n), uint64(g.id))
	m.scan()
	if got := m.commits[n]; got != g.id {
		m.s.fail("generation %d announces checkpoint %d, which the log has of generation %d", g.id, n, got)
	}
	m.drops.committed(g.id, n)
}

// committedBy: records leave only for a checkpoint that the log holds, of this generation or its past.
func (m *model) committedBy(g *generation, n core.CheckpointID) {
	if m.commits[n] == 0 {
		m.scan()
	}
	if got := m.commits[n]; got == 0 || got > g.id {
		m.s.fail("generation %d publishes checkpoint %d, which the log has of generation %d", g.id, n, got)
	}
}

// haltedAll: nothing is under way behind a halting checkpoint.
func (m *model) haltedAll(g *generation) {
	if n := m.open[g.id]; n != 0 {
		m.s.fail("generation %d has halted with %d tries under way", g.id, n)
	}
}

// scan reads on in the control log: every number holds one entry, and the manifests are one chain.
func (m *model) scan() {
	if m.app == nil {
		app, err := checkpoint.OpenApplication(ctx, m.s.bucket, applicationName, checkpoint.Options{
			Random: randomBytes{m.s}, Clock: func() time.Duration { return 0 },
		})
		if err != nil {
			m.s.fail("read the application: %v", err)
		}
		m.app = app
	}
	for {
		e, err := m.app.Log().Read(ctx, m.scanned+1)
		if errors.Is(err, checkpoint.ErrNotFound) {
			break
		}
		if err != nil {
			m.s.fail("read the log: %v", err)
		}
		m.scanned++
		m.entry(e)
	}
	if m.last != nil {
		m.checkSegments(m.last)
	}
}

func (m *model) entry(e *checkpoint.Entry) {
	if e.Claim != nil {
		m.reign = core.Generation(e.Number)
		if e.Claim.Restores != m.lastAt {
			m.s.fail("claim %d restores manifest %d, the last is %d", e.Number, e.Claim.Restores, m.lastAt)
		}
		return
	}
	n := core.CheckpointID(0)
	if m.last != nil {
		n = m.last.Checkpoint
	}
	f := e.Manifest
	if f.Prev != m.lastAt || f.Checkpoint != n+1 || f.Lineage.Generation != m.reign {
		m.s.fail("manifest %d of checkpoint %d, generation %d follows %d, behind manifest %d of checkpoint %d in generation %d",
			e.Number, f.Checkpoint, f.Lineage.Generation, f.Prev, m.lastAt, n, m.reign)
	}
	m.last, m.lastAt = f, e.Number
	m.commits[f.Checkpoint] = m.reign
}

// checkSegments: what the last manifest names is there.
func (m *model) checkSegments(f *checkpoint.Manifest) {
	for _, seg := range f.Segments {
		if _, err := m.s.bucket.ReadRange(ctx, applicationName+"/"+seg.Name, seg.Length-1, 1); err != nil {
			m.s.fail("manifest %d names segment %s: %v", m.lastAt, seg.Name, err)
		}
	}
}
