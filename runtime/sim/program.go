package sim

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/stateway/stateway/runtime/core"
)

// program is what a function does when it gets a certain message. Programs form trees: a message that one sends
// carries another.
type program struct {
	id       uint64
	parent   *program // nil for a record or a request
	target   int      // of model.addrs
	pad      int      // bytes that the message carries for nothing
	poison   int      // how many tries of it fail; negative: all
	redrives int      // how often an operator asked for its dead letter to be put back
	auxEra   int      // of the code that ran it and wrote the state "aux"
	ops      []op

	delay   core.Millis // of a delayed message
	delayed bool
	looped  bool // it came through the stream
	token   string
	cancels []*program      // of a delayed message with a token: those that cancel it
	undone  bool            // cancelled in the response that set it
	dropped bool            // by an operator, in a generation that may have been rolled back
	gone    core.Generation // in which it was dropped by an operator, for good; zero if it was not
}

// op is one thing that a program does.
type op struct {
	kind  opKind
	child *program
	token string
	size  int
}

type opKind uint8

const (
	opSend   opKind = iota
	opDelay         // child, with the child's delay and token
	opCancel        // token
	opOnce          // a record for the egress of this kind
	opCommit
	opStream    // child, as a record for the stream, which comes back
	opAux       // sets the state "aux" to a value of size bytes
	opDeleteAux //
	opTTL       // writes the state that expires
	opDeleteTTL
)

const (
	fromSource = uint32(1000)
	fromNobody = uint32(1 << 30)
)

// encode is the argument of the program's message: the seq-th of its sender to its target.
func (p *program) encode(seq uint64, from uint32) core.Value {
	b := make([]byte, 0, 24+p.pad)
	b = binary.BigEndian.AppendUint64(b, p.id)
	b = binary.BigEndian.AppendUint64(b, seq)
	b = binary.BigEndian.AppendUint32(b, from)
	return appendPattern(b, p.id, p.pad)
}

// appendPattern appends bytes that show if they are mixed up or changed.
func appendPattern(b []byte, id uint64, n int) []byte {
	for i := range n {
		b = append(b, byte(id)+byte(i)) //nolint:gosec // a pattern
	}
	return b
}

// decodeMessage is the program of an argument, which must be whole.
func (s *Sim) decodeMessage(arg core.Value) (p *program, seq uint64, from uint32) {
	if len(arg) < 20 {
		s.fail("a message of %d bytes", len(arg))
	}
	id := binary.BigEndian.Uint64(arg)
	if id == 0 || id >= uint64(len(s.model.programs)) {
		s.fail("a message with program %d", id)
	}
	p = s.model.programs[id]
	seq, from = binary.BigEndian.Uint64(arg[8:]), binary.BigEndian.Uint32(arg[16:])
	if !bytes.Equal(arg, p.encode(seq, from)) {
		s.fail("the message of program %d came with other bytes", id)
	}
	return p, seq, from
}

const (
	longestDelay = core.Millis(8000)
	endpoints    = 5
	ungrouped    = 3 // of them take one invocation a request, the others groups
)

var functionTypes = [endpoints]core.FunctionType{"sim/hold", "sim/small", "sim/letter", "sim/group", "sim/group-letter"}

// gaveUp reports whether a type's messages become dead letters when they have failed too often.
func gaveUp(t core.FunctionType) bool { return t == functionTypes[2] || t == functionTypes[4] }

// drawType is an Address's endpoint.
func (s *Sim) drawType() int {
	if s.profile.group.many && s.chance(0.8) {
		return ungrouped + s.rng.IntN(endpoints-ungrouped)
	}
	return s.rng.IntN(endpoints)
}

// build makes machines, application and addresses.
func (s *Sim) build() {
	p := &s.profile
	s.cuts = make([][]bool, p.nodes)
	for i := range p.nodes {
		m := &machine{id: i}
		s.newDisk(m)
		s.machines = append(s.machines, m)
		s.cuts[i] = make([]bool, p.nodes)
	}
	if p.nodes > 1 && s.chance(0.2) { // one that starts alone, and believes that it is the only one
		a := s.rng.IntN(p.nodes)
		for b := range p.nodes {
			if a != b {
				s.count(NetworkCut)
				s.cut(a, b)
			}
		}
	}
	if p.tiny {
		s.count(TinyMemory)
	}
	s.sharding, _ = core.NewSharding(p.shards)
	lanes := p.shards
	if p.nodes == 1 {
		lanes = 1 + s.rng.IntN(p.shards)
	}
	s.world = newWorld(lanes)
	s.app = application()
	for i := range s.app.Endpoints {
		s.app.Endpoints[i].Retain = p.retain
	}
	s.firstCode()
	s.model = newModel(s)
	for i := range p.addresses {
		a := core.Address{Type: functionTypes[s.drawType()], ID: fmt.Sprintf("id%d", i/2)} // ids are shared by types
		if slices.Contains(s.model.addrs, a) {
			a.ID = fmt.Sprintf("other%d", i)
		}
		s.model.addrs = append(s.model.addrs, a)
	}
	for i := range p.partitions {
		s.sources = append(s.sources, &source{
			name: fmt.Sprintf("p%d", i), id: core.PartitionID(i + 1), dedupe: i%2 == 1, next: map[int]uint64{}, //nolint:gosec // small
		})
	}
	if p.stream {
		s.stream = s.newStream()
	}
}

func application() *core.Application {
	retry := core.Retry{Initial: 2, Max: 100, Multiplier: 2, Jitter: 0.5}
	app := &core.Application{
		EndpointOf: func(t core.FunctionType) (core.EndpointID, bool) {
			for i, ft := range functionTypes {
				if t == ft {
					return core.EndpointID(i), true //nolint:gosec // small
				}
			}
			return 0, false
		},
	}
	for i, ft := range functionTypes {
		r := retry
		r.MaxAttempts = 3 + i
		app.Endpoints = append(app.Endpoints, core.Endpoint{Name: string(ft), Retry: r, Window: 8, MaxBatch: []int{0, 2, 5, 0, 3}[i]})
		if e := &app.Endpoints[i]; gaveUp(ft) {
			e.OnFailure, e.DeadLetter = core.DeadLetter, egressLetter
		}
	}
	for i, name := range egressNames {
		app.Egresses = append(app.Egresses, core.Egress{Name: name, AfterCommit: i != egressOnce})
	}
	return app
}

// wave adds work: records and requests.
func (s *Sim) wave() {
	s.note("wave", 0, 0)
	if s.profile.flood {
		s.profile.flood = false
		s.flood()
	}
	span := int64(3_000) << s.rng.IntN(11) // µs: from a burst to a trickle
	records := 4 + s.rng.IntN(28)
	if s.profile.storm {
		records, span = 60, 150_000
	}
	for _, src := range s.sources {
		at := s.now
		for range records {
			at += s.rng.Int64N(2*span/int64(records) + 1)
			rec := record{at: at}
			for range 1 + s.rng.IntN(4)/3 {
				s.addMessage(src, &rec)
			}
			src.records = append(src.records, rec)
		}
	}
	for n := s.rng.IntN(24); s.stream != nil && n > 0; n-- {
		s.stream.produce(s.now + s.rng.Int64N(span))
	}
	for range s.rng.IntN(14) {
		p := s.newProgram(nil, s.rng.IntN(len(s.model.addrs)), 8)
		c := &client{s: s, prog: p}
		if c.plain = s.rng.IntN(4) == 0; !c.plain {
			c.copies = s.model.newCopies(fmt.Sprintf("request-%d", p.id), p)
		}
		s.clients = append(s.clients, c)
		s.after(s.rng.Int64N(span), c.send)
	}
	for _, m := range s.machines {
		if m.proc == nil || m.proc.gen == nil {
			continue
		}
		for _, r := range m.proc.gen.readers {
			if r != nil {
				r.poll(s.spread(1_000))
			}
		}
	}
}

// addMessage adds a new message to a record, or one that carries the id of an earlier one.
func (s *Sim) addMessage(src *source, rec *record) {
	if n := len(src.records); src.dedupe && n > 0 && s.chance(0.1) {
		old := src.records[s.rng.IntN(n)].copies[0]
		p := s.newProgram(nil, old.first().target, 3)
		old.add(p, true)
		rec.add(p, 0, old)
		return
	}
	p := s.newProgram(nil, s.rng.IntN(len(s.model.addrs)), 4+s.rng.IntN(24))
	src.next[p.target]++
	if !src.dedupe {
		rec.add(p, src.next[p.target], nil)
		s.model.roots = append(s.model.roots, p)
		return
	}
	c := s.model.newCopies(fmt.Sprintf("%s-%d", src.name, p.id), p)
	c.all[0].sure = true
	rec.add(p, src.next[p.target], c)
}

// flood has one Address set more timers, and emit more records, than a read of a shard takes, and somebody crash while they wait.
func (s *Sim) flood() {
	p := s.newProgram(nil, s.rng.IntN(len(s.model.addrs)), 1)
	p.ops, p.poison = nil, 0
	for range 1100 + s.rng.IntN(200) {
		c := s.newProgram(p, s.rng.IntN(len(s.model.addrs)), 1)
		c.ops, c.poison, c.pad, c.delayed = nil, 0, 0, true
		c.delay = core.Millis(2000 + s.rng.Int64N(int64(longestDelay-2000)))
		p.ops = append(p.ops, op{kind: opDelay, child: c}, op{kind: opCommit})
	}
	src := s.sources[0]
	src.next[p.target]++
	rec := record{at: s.now}
	rec.add(p, src.next[p.target], nil)
	src.records = append(src.records, rec)
	s.model.roots = append(s.model.roots, p)
	s.noEgress = s.now + 3_000_000
	for range 3 {
		s.after(s.spread(1_000_000), func() {
			if m := s.machines[s.rng.IntN(len(s.machines))]; m.proc != nil {
				s.count(Crash)
				m.proc.crash("after a flood")
			}
		})
	}
}

// newProgram draws a program of at most fuel programs altogether.
func (s *Sim) newProgram(parent *program, target, fuel int) *program {
	p := &program{id: uint64(len(s.model.programs)), parent: parent, target: target}
	s.model.programs = append(s.model.programs, p)
	if s.chance(s.profile.large) {
		p.pad = s.rng.IntN(20 << 10)
	} else {
		p.pad = s.rng.IntN(40)
	}
	if s.chance(s.profile.poison) {
		p.poison = 1 + s.rng.IntN(7)
		if gaveUp(s.model.addrs[target].Type) && s.chance(0.5) && s.model.mayPoison(target) {
			p.poison = -1
		}
	}
	fuel--
	for n := s.rng.IntN(5); n > 0; n-- {
		fuel = s.newOp(p, fuel)
	}
	return p
}

// mayPoison reports whether an Address may get messages that always fail: were there some at five, their endpoint would count
// as broken, and wait for its repair.
func (m *model) mayPoison(target int) bool {
	if !slices.Contains(m.poisoned, target) {
		if len(m.poisoned) == 3 {
			return false
		}
		m.poisoned = append(m.poisoned, target)
	}
	return true
}

func (s *Sim) newOp(p *program, fuel int) int {
	switch k := s.rng.IntN(14); {
	case k < 6 && fuel > 0:
		share := 1 + s.rng.IntN(fuel)
		p.ops = append(p.ops, op{kind: opSend, child: s.newProgram(p, s.newTarget(p), share)})
		return fuel - share
	case k < 9 && fuel > 1:
		return s.newDelay(p, fuel)
	case k == 9:
		p.ops = append(p.ops, op{kind: opOnce})
	case k == 10 && fuel > 0 && s.stream != nil && s.profile.window == 0 && s.rng.IntN(2) == 0:
		c := s.newProgram(p, s.newTarget(p), 1+s.rng.IntN(fuel))
		c.looped = true
		p.ops = append(p.ops, op{kind: opStream, child: c})
		return fuel / 2
	case k == 10:
		p.ops = append(p.ops, op{kind: opCommit})
	case k == 11:
		size := s.rng.IntN(60)
		if s.chance(s.profile.large) {
			size = 30 << 10
		}
		p.ops = append(p.ops, op{kind: opAux, size: size})
	case k == 12:
		p.ops = append(p.ops, op{kind: opTTL})
	default:
		p.ops = append(p.ops, op{kind: []opKind{opDeleteAux, opDeleteTTL}[s.rng.IntN(2)]})
	}
	return fuel
}

// newTarget is often the sender itself.
func (s *Sim) newTarget(p *program) int {
	if s.rng.IntN(5) == 0 {
		return p.target
	}
	return s.rng.IntN(len(s.model.addrs))
}

// newDelay adds a delayed message, perhaps with something that cancels it.
func (s *Sim) newDelay(p *program, fuel int) int {
	share := 1 + s.rng.IntN(fuel-1)
	c := s.newProgram(p, s.newTarget(p), share)
	c.delayed = true
	longest := []int64{1, 30, 700, int64(longestDelay)}[s.rng.IntN(4)]
	c.delay = core.Millis(s.rng.Int64N(longest))
	p.ops = append(p.ops, op{kind: opDelay, child: c})
	fuel -= share
	if s.rng.IntN(2) == 0 {
		return fuel
	}
	c.token = fmt.Sprintf("t%d", c.id)
	switch s.rng.IntN(4) {
	case 0:
		c.undone = true
		p.ops = append(p.ops, op{kind: opCancel, token: c.token})
	case 1, 2: // the sender sends itself what cancels
		k := s.newProgram(p, p.target, 1)
		k.ops = append(k.ops, op{kind: opCancel, token: c.token})
		if s.rng.IntN(2) == 0 {
			k.delayed, k.delay = true, core.Millis(s.rng.Int64N(longest+1))
			p.ops = append(p.ops, op{kind: opDelay, child: k})
		} else {
			p.ops = append(p.ops, op{kind: opSend, child: k})
		}
		c.cancels = append(c.cancels, k)
		fuel--
	}
	return fuel
}

// letterProgram is the program of a dead letter's message.
func letterProgram(s *Sim, v core.Value) uint64 {
	arg, err := deadArgument(v)
	if err != nil {
		s.fail("a dead letter that cannot be read: %v", err)
	}
	p, _, _ := s.decodeMessage(arg)
	return p.id
}
