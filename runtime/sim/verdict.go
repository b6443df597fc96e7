package sim

import (
	"bytes"
	"fmt"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
)

// drained reports whether nothing is left to be done, as far as can be seen from outside.
func (s *Sim) drained() bool { return s.stuck() == "" }

// stuck says what is left to be done.
func (s *Sim) stuck() string {
	var lead *coordinator
	for _, m := range s.machines {
		if m.proc == nil || m.proc.gen == nil {
			return fmt.Sprintf("machine %d serves nothing", m.id)
		}
		if m.proc.lead != nil {
			if lead != nil {
				return "two processes lead"
			}
			lead = m.proc.lead
		}
	}
	if lead == nil || !lead.restored() || lead.halting || lead.open {
		return "nobody leads, or not yet"
	}
	for _, m := range s.machines {
		if g := m.proc.gen; g.id != lead.g.id {
			return fmt.Sprintf("machine %d is in generation %d of %d", m.id, g.id, lead.g.id)
		} else if left := g.left0(); left != "" {
			return fmt.Sprintf("machine %d: %s", m.id, left)
		}
	}
	for _, c := range s.clients {
		if !c.done() {
			return fmt.Sprintf("the request with program %d is not answered", c.prog.id)
		}
	}
	return s.leftOfStream()
}

// left0 says what a node has still to do.
func (g *generation) left0() string {
	for _, r := range g.readers {
		if r != nil && (r.at < len(r.src.records) || r.out != 0) {
			return fmt.Sprintf("partition %s is at %d of %d with credit for %d bytes outstanding", r.src.name, r.at, len(r.src.records), r.out)
		}
	}
	for _, w := range g.workers {
		if gs := w.core.Gauges(); gs.InFlight+gs.Ready+gs.Troubled > 0 || gs.MailBytes > 0 || gs.OutboxBytes > 0 || len(w.inbox) > 0 {
			text := fmt.Sprintf("at %d, worker %d: %d events, %+v", g.p.now(), w.id, len(w.inbox), gs)
			for _, e := range g.callers {
				text += ", " + e.state()
			}
			return text
		}
	}
	for id := range egresses {
		if p := g.outlets[id]; p != nil && !p.idle() {
			return "records are not published"
		}
		if em := g.emitters[id]; em != nil && em.open != 0 {
			return "records are not emitted"
		}
	}
	return ""
}

// verdict compares what is committed and what came out with what the programs say.
type verdict struct {
	s      *Sim
	seen   map[uint64]consumed // by program
	kept   map[uint64]int      // rows of dead letters, by program
	origin core.Millis         // of the stream
}

func (s *Sim) judge() {
	s.model.scan()
	v := &verdict{s: s, seen: map[uint64]consumed{}, kept: map[uint64]int{}}
	if s.stream != nil {
		v.origin = s.streamOrigin()
	}
	for i, st := range s.readBucket() {
		v.readShard(st)
		v.compareLive(core.ShardID(i), st) //nolint:gosec // small
	}
	for _, p := range s.model.roots {
		v.must(p)
	}
	v.judgeStream()
	for _, c := range s.clients {
		if c.plain && (c.acked || v.happened(c.prog)) { // one without an id that was not answered may have been lost
			v.must(c.prog)
		}
	}
	for _, c := range s.model.copies {
		v.judgeCopies(c)
	}
	for _, p := range s.model.programs[1:] {
		v.orphan(p)
	}
	v.records()
}

// readBucket restores all shards from the bucket alone, and checks what it holds.
func (s *Sim) readBucket() []*shard.Store {
	app := s.model.app
	tail, err := app.Log().FindTail(ctx, 0)
	if err != nil {
		s.fail("find the tail: %v", err)
	}
	state, err := app.Log().StateAt(ctx, tail.Restores, 1)
	if err != nil {
		s.fail("read the state: %v", err)
	}
	report, err := app.VerifyState(ctx, state)
	if err != nil || len(report.Problems) > 0 {
		s.fail("verify the bucket: %v %v", err, report.Problems)
	}
	set, err := shard.Open(shard.Options{Memory: &shard.Memory{}, Application: app.ID, Log: s.log})
	if err != nil {
		s.fail("open a disk: %v", err)
	}
	var stores []*shard.Store
	for i := range s.profile.shards {
		st, err := restoreShard(app, set, state, core.ShardID(i)) //nolint:gosec // small
		if err != nil {
			s.fail("restore shard %d: %v", i, err)
		}
		stores = append(stores, st)
	}
	return stores
}

func restoreShard(app *checkpoint.Application, set *shard.Set, state *checkpoint.State, id core.ShardID) (*shard.Store, error) {
	st, err := set.Store(id, shard.Want{Point: state.Checkpoint})
	if err != nil {
		return nil, err
	}
	past := state.Past(id)
	if past.Base != nil {
		g := &generation{p: &process{app: app}}
		if err := g.fetchBase(st, past.Base); err != nil {
			return nil, err
		}
	}
	for _, at := range past.Sections {
		err := app.ReadSections(ctx, at.Segment, []core.ShardID{id}, func(_ core.ShardID, sec *checkpoint.Section) error {
			return st.Commit(at.Segment.Checkpoint, sec.NextSeq(), sec.Rows())
		})
		if err != nil {
			return nil, err
		}
	}
	return st, nil
}

func allRows(s *Sim, st *shard.Store) []core.Row {
	var all []core.Row
	var after []byte
	for {
		rows, next, err := st.Rows(after, 1000, 1<<30)
		if err != nil {
			s.fail("rows of shard %d: %v", st.Shard(), err)
		}
		all = append(all, rows...)
		if next == nil {
			return all
		}
		after = next
	}
}

// compareLive: the store of the node that owns the shard holds the same rows.
func (v *verdict) compareLive(id core.ShardID, st *shard.Store) {
	want := allRows(v.s, st)
	for _, m := range v.s.machines {
		live := m.proc.gen.stores[id]
		if live == nil {
			continue
		}
		got := allRows(v.s, live)
		if len(got) != len(want) {
			v.s.fail("shard %d has %d rows in its store and %d in the bucket", id, len(got), len(want))
		}
		for i := range got {
			if !bytes.Equal(got[i].Key, want[i].Key) || !bytes.Equal(got[i].Value, want[i].Value) {
				v.s.fail("shard %d: row %q differs between store and bucket", id, got[i].Key)
			}
		}
	}
}

// readShard gathers what was consumed. Nothing may wait any more.
func (v *verdict) readShard(st *shard.Store) {
	for _, row := range allRows(v.s, st) {
		switch row.Key[0] {
		case core.TableMailbox, core.TableTimer:
			v.s.fail("row %q is left in shard %d", row.Key, st.Shard())
		case core.TableDedupe:
			if v.s.profile.window > 0 {
				v.s.fail("row %q is left in shard %d, whose time was over long ago", row.Key, st.Shard())
			}
		case core.TableFailure:
			if v.s.profile.retain > 0 {
				v.s.fail("row %q is left in shard %d, a dead letter whose time was over long ago", row.Key, st.Shard())
			}
			v.kept[v.s.letterRow(row.Value).id]++
		case core.TableAddress:
			v.readAddress(row)
		}
	}
}

func (v *verdict) readAddress(row core.Row) {
	a, rest, err := core.CutAddressKey(row.Key)
	if err != nil || len(rest) == 0 {
		v.s.fail("row %q: %v", row.Key, err)
	}
	switch rest[0] {
	case core.SubHeld, core.SubToken:
		v.s.fail("row %q is left", row.Key)
	case core.SubState:
		if string(rest[1:]) == stateTTL {
			v.s.fail("%s: the state that expired long ago was not swept", a)
		}
		if string(rest[1:]) != stateLog {
			return
		}
		p, err := decodePast(row.Value)
		if err != nil {
			v.s.fail("%s: %v", a, err)
		}
		v.readLog(a, p.log)
	}
}

func (v *verdict) readLog(a core.Address, log []consumed) {
	for _, c := range log {
		if _, twice := v.seen[c.id]; twice {
			v.s.fail("the message of program %d was consumed twice", c.id)
		}
		if want := v.s.model.addrs[v.s.model.programs[c.id].target]; want != a {
			v.s.fail("the message of program %d was consumed by %s, not %s", c.id, a, want)
		}
		v.seen[c.id] = c
	}
}

// happened reports whether a program's message was consumed or became a dead letter, which is kept until it is put back or its time is over: it
// lies in one of these places, never in two.
func (v *verdict) happened(p *program) bool {
	_, ran := v.seen[p.id]
	dead, kept := v.s.world.dead[p.id], v.kept[p.id]
	over := dead > 0 && !ran && kept == 0
	switch {
	case dead > 1+p.redrives:
		v.s.fail("the message of program %d is %d dead letters, and was put back %d times at most", p.id, dead, p.redrives)
	case kept > 1 || (kept > 0 && (ran || dead == 0)):
		v.s.fail("the message of program %d was consumed (%t), became %d dead letters, and %d are kept", p.id, ran, dead, kept)
	case ran && dead > p.redrives:
		v.s.fail("the message of program %d was consumed, and is %d dead letters, put back %d times at most", p.id, dead, p.redrives)
	case over && v.s.profile.retain == 0:
		v.s.fail("the message of program %d became %d dead letters, was put back %d times at most, and is lost", p.id, dead, p.redrives)
	case p.gone > 0 && (ran || dead > 0):
		v.s.fail("the message of program %d was dropped, and yet consumed (%t) or is a dead letter", p.id, ran)
	}
	v.s.countIf(dead > 0, LetterDead)
	v.s.countIf(dead > 1, LetterAgain)
	v.s.countIf(over, LetterOver)
	return ran || dead > 0
}

// must: the program's message came through, and so did all that follows from it.
func (v *verdict) must(p *program) {
	if !v.happened(p) {
		if p.dropped {
			return
		}
		v.s.fail("the message of program %d (%s) is lost", p.id, p.describe())
	}
	v.follow(p)
}

func (p *program) describe() string {
	switch {
	case p.parent == nil:
		return "of a record or request"
	case p.delayed:
		return fmt.Sprintf("sent by program %d after %d ms, token %q", p.parent.id, p.delay, p.token)
	}
	return fmt.Sprintf("sent by program %d", p.parent.id)
}

// follow judges what a program that ran has led to.
func (v *verdict) follow(p *program) {
	ran, ok := v.seen[p.id]
	if !ok {
		return
	}
	for i := range p.ops {
		switch o := &p.ops[i]; o.kind {
		case opSend:
			v.must(o.child)
		case opStream:
			v.mustOfStream(o.child)
		case opDelay:
			v.delayed(ran, o.child)
		}
	}
}

const skewMost = 21 // ms between two clocks at most

// delayed: a message comes not before its time, and not at all if it was cancelled before.
func (v *verdict) delayed(set consumed, p *program) {
	due := v.try(set.by).applied + p.delay
	late := false
	cancelled := p.undone
	for _, k := range p.cancels {
		if c, ok := v.seen[k.id]; ok {
			early := v.try(c.by).applied < due
			cancelled = cancelled || early
			late = late || !early
		}
	}
	came := v.happened(p)
	switch {
	case cancelled && came:
		v.s.fail("program %d (%s) was cancelled before it was due, and came", p.id, p.describe())
	case !cancelled && !late && !came && !p.dropped:
		v.s.fail("program %d (%s) never came", p.id, p.describe())
	case !came:
		return
	}
	if c, ok := v.seen[p.id]; ok && v.try(c.by).started+skewMost < due {
		v.s.fail("program %d (%s) came at %d and was due at %d", p.id, p.describe(), v.try(c.by).started, due)
	}
	v.follow(p)
}

func (v *verdict) try(by stamp) *tryInfo {
	t := v.s.model.tries[by]
	if t == nil {
		v.s.fail("a state names try %v, which never was", by)
	}
	return t
}

// orphan: nothing comes of a message that was never sent.
func (v *verdict) orphan(p *program) {
	if p.parent == nil || !v.happened(p) {
		return
	}
	if _, ok := v.seen[p.parent.id]; !ok {
		v.s.fail("program %d came, and program %d, which sends it, did not run", p.id, p.parent.id)
	}
}

// records: every record of what ran is outside, those after commit exactly once, and no others.
func (v *verdict) records() {
	w := v.s.world
	exact := 0
	for id, c := range v.seen {
		once, commit := 0, 0
		for _, o := range v.s.model.programs[id].ops {
			switch o.kind {
			case opOnce:
				once++
			case opCommit:
				commit++
			}
		}
		value := recordValue(id, c.by)
		if got := w.once[string(value)]; got < once {
			v.s.fail("program %d emitted %d records, %d are outside", id, once, got)
		}
		if got := w.exact[string(value)]; got != commit {
			v.s.fail("program %d emitted %d records after commit, %d are outside", id, commit, got)
		}
		exact += commit
	}
	total := 0
	for _, n := range w.exact {
		total += n
	}
	if total != exact {
		v.s.fail("%d records after commit are outside, %d belong to what was committed", total, exact)
	}
}
