package core

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestWorkerScripts(t *testing.T) {
	runScripts(t, "testdata/worker", func(*testing.T) func(command) string {
		return (&workerScript{}).run
	})
}

// workerScript runs the commands of a worker's script on a worker and its stores.
type workerScript struct {
	w       *Worker
	shards  []*memoryStore
	nextSeq map[ShardID]Seq
	hold    bool // reads and applies are answered by command only
	hide    map[string]bool

	pending []*pendingRead
	tries   map[Address]*Invocation
	last    map[Address]Result
	emitted map[string]*OutRecord
	out     strings.Builder
}

// pendingRead is a read, or an Apply, that was not answered yet.
type pendingRead struct {
	effect Effect
	answer Event // once the store was read
}

func (s *workerScript) run(c command) (printed string) {
	s.out.Reset()
	defer func() {
		if r := recover(); r != nil {
			printed = s.out.String() + fmt.Sprintf("panic: %v\n", r)
		}
	}()
	switch c.name {
	case "worker":
		s.start(c)
	case "rows", "overlay", "mailbox", "gauges", "stats", "pending":
		s.dump(c)
	case "strangers", "types":
		s.typesCommand(c)
	case "store", "answer", "auto":
		s.storeCommand(c)
	case "hide":
		s.hide = map[string]bool{}
		for _, k := range c.words {
			s.hide[k] = true
		}
	default:
		for range c.number("times", 1) {
			s.step(s.event(c))
		}
	}
	return s.out.String()
}

func (s *workerScript) printf(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

// start makes a worker over the rows that the stores hold, or over empty ones with fresh=yes.
func (s *workerScript) start(c command) {
	cfg := scriptConfig(c)
	if s.shards == nil || c.text("fresh", "") != "" {
		s.shards, s.nextSeq = make([]*memoryStore, cfg.Sharding.Shards()), map[ShardID]Seq{}
		for i := range s.shards {
			s.shards[i] = newMemoryStore()
		}
	}
	cfg.NextSeq = s.nextSeq
	w, err := NewWorker(cfg)
	if err != nil {
		s.printf("error: %v", err)
		return
	}
	for i := range w.endpoints {
		w.endpoints[i].expectedAnswer = 0 // scripts are about other things: answers are known to be small
	}
	s.w, s.pending = w, nil
	s.tries, s.last, s.emitted = map[Address]*Invocation{}, map[Address]Result{}, map[string]*OutRecord{}
	s.hold = c.text("store", "auto") == "hold"
	if c.text("restore", "") == "late" {
		return
	}
	for id, owner := range cfg.Owners {
		if owner == cfg.ID {
			s.step(s.shards[id].restored(ShardID(id), cfg.App.Egresses))
		}
	}
}

func scriptConfig(c command) WorkerConfig {
	shards := int(c.number("shards", 1))
	cfg := WorkerConfig{
		ID: WorkerID(c.number("id", 0)), Generation: 1, Nonce: 7, Sharding: must(NewSharding(shards)),
		Nodes: make([]NodeID, c.number("nodes", 1)), Owners: make([]WorkerID, shards),
		Restored: CheckpointID(c.number("restored", 0)), Now: Millis(c.number("now", 1000)),
		DedupeFor: Millis(c.number("dedupe", 0)), Memory: c.number("memory", 0),
		DiskBacklog: c.number("disk", 0), SweepRows: int(c.number("sweep", 0)), DeadLetterBytes: c.number("letters", 0),
	}
	for i := range cfg.Nodes {
		cfg.Nodes[i] = NodeID(i)
	}
	if owners := c.text("owners", ""); owners != "" {
		for i, o := range strings.Split(owners, ",") {
			cfg.Owners[i] = WorkerID(number(o))
		}
	}
	cfg.App = scriptApplication(c)
	return cfg
}

// scriptApplication serves namespace f by endpoint 0, which the options describe, and g by endpoint 1.
func scriptApplication(c command) *Application {
	policy := Hold
	if c.text("onfailure", "hold") == "deadletter" {
		policy = DeadLetter
	}
	return &Application{
		Endpoints: []Endpoint{{
			Name: "f", MaxBatch: int(c.number("batch", 0)), MaxBytes: c.number("maxbytes", 0), Retain: Millis(c.number("retain", 0)),
			Window: int(c.number("window", 0)), Call: Millis(c.number("call", 0)), OnFailure: policy,
			Retry: Retry{
				Initial: Millis(c.number("initial", 0)), Max: Millis(c.number("max", 0)),
				Multiplier: float64(c.number("multiplier", 0)), MaxAttempts: int(c.number("attempts", 0)),
			},
		}, {Name: "g"}},
		Egresses: []Egress{
			{Name: "out/now", Validate: refuseBad(int(c.number("longest", 0)))},
			{Name: "out/commit", AfterCommit: true},
		},
		EndpointOf: func(t FunctionType) (EndpointID, bool) {
			switch t.Namespace() {
			case "f":
				return 0, true
			case "g":
				return 1, true
			}
			return 0, false
		},
	}
}

// refuseBad refuses one value, and those that are longer than longest unless that is zero.
func refuseBad(longest int) func(string, Value) error {
	return func(_ string, v Value) error {
		switch {
		case string(v) == "bad":
			return errors.New("a bad value")
		case longest > 0 && len(v) > longest:
			return fmt.Errorf("%d bytes, at most %d are taken", len(v), longest)
		}
		return nil
	}
}

// step gives the worker an event, prints the effects, and answers reads unless they are held.
func (s *workerScript) step(ev Event) {
	events := []Event{ev}
	for len(events) > 0 {
		effects := s.w.Step(events[0], nil)
		events = events[1:]
		for _, e := range effects {
			s.note(e)
			if read := s.take(e); read != nil {
				events = append(events, read)
			}
			if text := s.describe(e); text != "" && !s.hide[strings.Fields(text)[0]] {
				s.printf("%s", text)
			}
		}
	}
}

// note remembers what later commands name.
func (s *workerScript) note(e Effect) {
	switch e := e.(type) {
	case *Invocation:
		s.tries[e.Target] = e
	case Emit:
		for _, r := range e.Records {
			s.emitted[string(r.Arg)] = r
		}
	}
}

// take answers a read or an Apply at once, or keeps it.
func (s *workerScript) take(e Effect) Event {
	if !isRead(e) {
		return nil
	}
	p := &pendingRead{effect: e}
	if s.hold {
		s.pending = append(s.pending, p)
		return nil
	}
	s.readStore(p)
	return p.answer
}

func isRead(e Effect) bool {
	switch e.(type) {
	case LoadAddress, LoadMailbox, FindDedupe, FindTokens, ReadTimers, ReadOutbox, ReadBacklog, ReadExpiring, ReadFailures, LoadFailures, Apply:
		return true
	}
	return false
}

// readStore is the moment at which the store is read or written.
func (s *workerScript) readStore(p *pendingRead) {
	if p.answer != nil {
		return
	}
	if a, ok := p.effect.(Apply); ok {
		s.shards[a.Overlay.Shard].write(a.Overlay)
		s.nextSeq[a.Overlay.Shard] = a.Overlay.NextSeq
		p.answer = Applied{Shard: a.Overlay.Shard, Checkpoint: a.Overlay.Epoch.Checkpoint()}
		return
	}
	p.answer = s.shards[readShard(p.effect)].answer(p.effect)
}

func readShard(e Effect) ShardID {
	switch e := e.(type) {
	case LoadAddress:
		return e.Shard
	case LoadMailbox:
		return e.Shard
	case FindDedupe:
		return e.Shard
	case FindTokens:
		return e.Shard
	case ReadTimers:
		return e.Shard
	case ReadOutbox:
		return e.Shard
	case ReadBacklog:
		return e.Shard
	case ReadExpiring:
		return e.Shard
	case ReadFailures:
		return e.Shard
	case LoadFailures:
		return e.Shard
	}
	panic(fmt.Sprintf("script: %T is no read", e))
}

// storeCommand reads the store for pending reads (store WORD), answers them (answer WORD, or all), or lets all be answered
// at once from now on (auto). A word chooses the first whose line has it.
func (s *workerScript) storeCommand(c command) {
	if c.name == "auto" {
		s.hold = false
		c.words = nil
	}
	if len(c.words) == 0 {
		for _, p := range slices.Clone(s.pending) {
			s.answer(p)
		}
		return
	}
	var chosen []*pendingRead
	for _, word := range c.words {
		chosen = append(chosen, s.choose(word))
	}
	for _, p := range chosen {
		if c.name == "store" {
			s.readStore(p)
		} else {
			s.answer(p)
		}
	}
}

func (s *workerScript) choose(word string) *pendingRead {
	for _, p := range s.pending {
		if strings.Contains(s.describeRead(p.effect), word) {
			return p
		}
	}
	panic("script: no pending read has " + word)
}

func (s *workerScript) answer(p *pendingRead) {
	s.pending = slices.DeleteFunc(s.pending, func(o *pendingRead) bool { return o == p })
	s.readStore(p)
	s.step(p.answer)
}
