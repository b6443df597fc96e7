package core

import (
	"fmt"
	"slices"
)

// Worker runs the functions of the shards that it owns. Step is its only entrance.
type Worker struct {
	cfg       WorkerConfig
	warmth    Warmth
	epoch     Epoch // the open one
	committed CheckpointID
	published CheckpointID // handed over to the after-commit egresses and told; zero until the restore point is
	now       Millis
	want      Wanting // asked for in this epoch
	halting   bool
	halted    bool

	shards    []*shard // by ShardID; nil if another worker owns it
	owned     []*shard
	types     map[FunctionType]*funcType
	known     []*funcType // all of types
	look      int         // of known, to be looked at next for what can be forgotten
	byName    map[FunctionType]*counted
	counted   []*counted // function types with counters of their own, in the order in which they were first seen
	uncounted TypeStats  // of all others together
	next      int        // of endpoints, to be served next
	ready     int        // instances that could be served
	endpoints []endpointState
	egresses  []egressState
	egressIDs map[string]EgressID
	checker   *Checker
	channels  []channel // by WorkerID
	positions map[string][]byte
	cut       *cutState // the checkpoint whose part is not handed over yet
	acks      []acceptance

	hand         hand // evicts instances
	instances    int  // in memory
	waitlist     waitList
	retries      retryHeap
	troubled     map[*instance]bool
	tries        uint64
	parked       int // responses that wait for tokens
	loads        loads
	fetches      int64 // reads of mailboxes under way
	checks       int   // looks for dedupe ids of the open epoch under way
	mailBytes    int64 // of messages in memory
	overlayBytes int64 // of overlays that the stores do not hold yet
	cacheBytes   int64 // of instances
	diskBytes    int64 // of waiting messages in the stores only
	absentBytes  int64 // of them, those of Addresses that are not in memory
	outboxBytes  int64 // of records not published
	outboxFull   outboxFull
	spilled      bool // all that can be spilled before the next Applied is
	relief       relief
	credits      credits
	emissions    emissions
	memory       invocationMemory

	unrestored     int  // shards whose stores do not answer reads yet
	outletsReading int  // outlets whose stored records are still read
	forgot         bool // in this step, Addresses with messages in the store
	scanShard      int  // of owned, whose backlog is looked for; all of them when a round is over
	alarm          Millis
	timerAlarm     Millis
	timersMoved    bool
	sweepable      bool // there may be something that expires
	swept          bool // this round of the sweep saw some
	sweeping       bool
	sweepShard     int
	sweepOf        CheckpointID // what that shard's store held when it was read
	sweepAt        Millis
	sweepNext      []byte
	stats          WorkerStats

	out []Effect
}

type endpointState struct {
	Endpoint
	inflight int
	limit    int
	ready    fifo[*funcType] // types with ready instances, the one to be served next first
	waiting  int             // ready instances of all of them
	absent   bool            // there may be waiting messages in the stores whose Addresses are not in memory
	skipped  bool            // this round of the scan saw some, or they were forgotten while it went on

	expectedAnswer int64  // bytes that an answer may have; see mayTake
	called         Epoch  // the last in which a try began
	answered       uint64 // tries whose answers were accepted
	answeredBefore uint64 // the same when the last relief looked at everything
	stands         bool   // it had answered nothing then since the look before
}

type egressState struct {
	Egress
	unpublished int         // records handed to the driver and not done
	memory      []OutRecord // for the next ones
}

// channel is one direction between this worker and another.
type channel struct {
	sent     uint64
	received uint64
	pending  []*Message
	before   int // messages of the last frame
}

// mostAtOnce is for how many messages or records memory is got in advance, as many as there were the last time.
const mostAtOnce = 1024

// acceptance is a request whose message was accepted while its effect is not out yet.
type acceptance struct {
	request RequestID
	epoch   Epoch
}

// NewWorker makes a worker at its restore point. Its shards answer reads after ShardRestored.
func NewWorker(cfg WorkerConfig) (*Worker, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	w := &Worker{
		cfg:       cfg,
		epoch:     cfg.Restored.Next(),
		committed: cfg.Restored,
		now:       cfg.Now,
		shards:    make([]*shard, cfg.Sharding.Shards()),
		types:     map[FunctionType]*funcType{},
		byName:    map[FunctionType]*counted{},
		egressIDs: map[string]EgressID{},
		positions: map[string][]byte{},
		troubled:  map[*instance]bool{},
	}
	w.checker = NewChecker(cfg.App)
	workers := WorkerID(0)
	for id, owner := range cfg.Owners {
		workers = max(workers, owner+1)
		if owner == cfg.ID {
			w.own(ShardID(id)) //nolint:gosec // at most MaxShards
		}
	}
	w.channels = make([]channel, max(workers, cfg.ID+1))
	for _, e := range cfg.App.Endpoints {
		w.endpoints = append(w.endpoints, endpointState{Endpoint: e, limit: e.Window, absent: true})
	}
	for i := range w.endpoints {
		w.endpoints[i].expectedAnswer = w.answerShare() / firstAnswers
	}
	w.loads.usual = w.cacheLimit() / firstReads
	for i, e := range cfg.App.Egresses {
		w.egresses = append(w.egresses, egressState{Egress: e})
		w.egressIDs[e.Name] = EgressID(i) //nolint:gosec // a short list
	}
	return w, nil
}

func (w *Worker) own(id ShardID) {
	sh := &shard{
		id: id, w: w, nextSeq: w.cfg.NextSeq[id], applied: w.cfg.Restored, instances: newIndex(w.cfg.Nonce),
		specs:    map[FunctionType]*specsRow{},
		versions: map[FunctionType]int{},
		checks:   map[dedupeKey]*dedupeCheck{},
		dedupes:  map[dedupeKey]*dedupeRow{},
		outlets:  map[EgressID]*outlet{},
	}
	sh.timers.init()
	w.shards[id] = sh
	w.owned = append(w.owned, sh)
	w.unrestored++
}

// Step applies ev and appends to out what the driver must do, in the order in which it must be done.
// It never blocks. What an effect leads to comes back as a later event.
func (w *Worker) Step(ev Event, out []Effect) []Effect {
	w.out = out
	w.on(ev)
	w.fireTimers()
	w.retryDue()
	w.serve()
	w.relieve()
	w.sweep()
	w.evict(0)
	if w.forgot && !w.halting { // there may be no other event that looks for them
		w.forgot = false
		w.scanBacklog()
	}
	w.ask()
	w.flush()
	out, w.out = w.out, nil
	return out
}

func (w *Worker) on(ev Event) {
	switch ev := ev.(type) {
	case Results:
		w.onResults(ev)
	case Records:
		w.onRecords(ev)
	case *Frame:
		w.onFrame(ev)
	case Tick:
		w.onTick(ev)
	case EgressDone:
		w.onEgressDone(ev)
	case EndOfEpoch:
		w.onEndOfEpoch(ev)
	case Begin:
		w.onBegin(ev)
	case Committed:
		w.onCommitted(ev.Checkpoint)
	case Applied:
		w.onApplied(ev)
	case CreditShort:
		w.relief.short = true
	case Window:
		w.endpoints[ev.Endpoint].limit = ev.Limit
	case ShardRestored:
		w.onShardRestored(ev)
	case Halt:
		w.halting = true
	default:
		w.onRead(ev)
	}
}

func (w *Worker) onRead(ev Event) {
	switch ev := ev.(type) {
	case AddressLoaded:
		w.onAddressLoaded(ev)
	case MailboxLoaded:
		w.onMailboxLoaded(ev)
	case DedupeFound:
		w.onDedupeFound(ev)
	case TokensFound:
		w.onTokensFound(ev)
	case TimersRead:
		w.onTimersRead(ev)
	case OutboxRead:
		w.onOutboxRead(ev)
	case BacklogRead:
		w.onBacklogRead(ev)
	case ExpiringRead:
		w.onExpiringRead(ev)
	case FailuresRead:
		w.onFailuresRead(ev)
	case FailuresLoaded:
		w.onFailuresLoaded(ev)
	default:
		w.onOperator(ev)
	}
}

func (w *Worker) onOperator(ev Event) {
	switch ev := ev.(type) {
	case Resume:
		w.onResume(ev)
	case Drop:
		w.onDrop(ev)
	case Inspect:
		w.onInspect(ev)
	case Redrive:
		w.onRedrive(ev)
	case PressureLimits:
		w.cfg.Memory = ev.Memory
	default:
		panic(fmt.Sprintf("core: a worker was given %T, which is no event", ev))
	}
}

func (w *Worker) emit(e Effect) { w.out = append(w.out, e) }

// wantCheckpoint asks for a checkpoint, once for each urgency in an epoch.
func (w *Worker) wantCheckpoint(why Wanting) {
	if why <= w.want {
		return
	}
	w.want = why
	w.emit(Want{Why: why, Epoch: w.epoch})
}

func (w *Worker) onTick(ev Tick) {
	w.now = max(w.now, ev.Now)
	if w.alarm <= w.now {
		w.alarm = 0 // it rang: the next one is told even if it is for the same time
	}
}

// flush sends what this step left for other workers and drivers.
func (w *Worker) flush() {
	for to := range w.channels {
		w.flushChannel(WorkerID(to)) //nolint:gosec // a short list
	}
	w.flushEmissions()
	for _, a := range w.acks {
		w.emit(Accepted{Request: a.request, Epoch: a.epoch})
	}
	clear(w.acks)
	w.acks = w.acks[:0]
	w.payCredit()
	w.watchOutbox()
	if w.halting && !w.halted && w.inflight() == 0 && w.parked == 0 {
		w.halted = true
		w.emit(Halted{})
	}
	w.setAlarm()
}

func (w *Worker) flushChannel(to WorkerID) {
	c := &w.channels[to]
	if len(c.pending) == 0 {
		return
	}
	c.sent++
	w.emit(&Frame{
		From: w.cfg.ID, To: to, Generation: w.cfg.Generation,
		Seq: c.sent, Epoch: w.epoch, Messages: c.pending,
	})
	c.before = len(c.pending)
	c.pending = nil
}

func (w *Worker) inflight() int {
	n := 0
	for i := range w.endpoints {
		n += w.endpoints[i].inflight
	}
	return n
}

// setAlarm asks to be woken for the next retry, timer or sweep.
func (w *Worker) setAlarm() {
	at := Millis(0)
	earlier := func(t Millis) {
		if t > 0 && (at == 0 || t < at) {
			at = t
		}
	}
	if !w.halting {
		earlier(w.retries.due())
		earlier(w.timerAlarm)
		earlier(w.sweepAlarm())
		earlier(w.relief.at)
		earlier(w.outboxFull.tell)
	}
	if at != w.alarm && at != 0 {
		w.alarm = at
		w.emit(Alarm{At: at})
	}
	if at == 0 {
		w.alarm = 0
	}
}

// send routes a message to the worker that owns its target.
func (w *Worker) send(m *Message) {
	m.hash = m.Target.Hash()
	w.route(m)
}

// route is send for a message whose hash is set.
func (w *Worker) route(m *Message) {
	id := w.cfg.Sharding.Of(m.hash)
	if owner := w.cfg.Owners[id]; owner != w.cfg.ID {
		c := &w.channels[owner]
		if c.pending == nil {
			c.pending = make([]*Message, 0, min(c.before, mostAtOnce)+1)
		}
		c.pending = append(c.pending, m)
		return
	}
	w.arrive(w.shards[id], m, w.epoch)
}

func (w *Worker) onRecords(r Records) {
	for some := range slices.Chunk(r.Messages, readAhead) {
		w.warmMessages(some)
		for _, m := range some {
			m.Origin = r.Partition
			w.route(m)
		}
	}
	if len(r.Egresses) > 0 {
		w.emitFromIngress(&r)
	}
	if r.Position != nil {
		w.positions[r.Name] = r.Position
	}
	w.wantCheckpoint(WantDirty)
}

// channel is the one between this worker and another. A worker that owns no shard sends frames too.
func (w *Worker) channel(of WorkerID) *channel {
	for int(of) >= len(w.channels) {
		w.channels = append(w.channels, channel{})
	}
	return &w.channels[of]
}

func (w *Worker) onFrame(f *Frame) {
	c := w.channel(f.From)
	if f.Generation != w.cfg.Generation || f.Seq <= c.received {
		return
	}
	if f.Seq != c.received+1 {
		w.emit(Broken{Reason: fmt.Sprintf("frame %d of worker %d after frame %d: the channel has a gap", f.Seq, f.From, c.received)})
		return
	}
	c.received = f.Seq
	epoch := f.Epoch
	if planted == cutLate {
		epoch = min(epoch, w.epoch)
	} else if f.Epoch > w.epoch {
		w.cutAt(f.Epoch - 1)
	}
	if f.Epoch+1 < w.epoch || (f.Epoch < w.epoch && w.cut == nil) {
		w.emit(Broken{Reason: fmt.Sprintf("frame of epoch %d from worker %d in epoch %d, after that epoch's end was told", f.Epoch, f.From, w.epoch)})
		return
	}
	for some := range slices.Chunk(f.Messages, readAhead) {
		w.warmMessages(some)
		for _, m := range some {
			id := w.cfg.Sharding.Of(m.hash)
			if w.cfg.Owners[id] != w.cfg.ID {
				w.emit(Broken{Reason: fmt.Sprintf("worker %d sent a message for shard %d, which this worker does not own", f.From, id)})
				return
			}
			w.arrive(w.shards[id], m, epoch)
		}
	}
	if planted == cutLate {
		w.cutAt(f.Epoch - 1)
	}
}
