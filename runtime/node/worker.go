package node

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

// workerLoop runs one worker of the core.
type workerLoop struct {
	id    core.WorkerID
	core  *core.Worker // owned by the goroutine that runs run
	inbox *inbox
	gen   *generation
	ended chan struct{} // closed when run returns

	tries  [][]*core.Invocation // by endpoint, of the effects being performed
	queued []core.EndpointID    // endpoints with tries
	alarm  core.Millis          // zero if none

	// What ingresses ask of any goroutine: see demand.
	consumed, batches atomic.Uint64
	hungry            atomic.Int64 // since when the worker has starved after each of its steps, in the core's time; zero if it does not
}

func newWorkerLoop(g *generation, w *core.Worker, id core.WorkerID) *workerLoop {
	return &workerLoop{
		id: id, core: w, inbox: newInbox(), gen: g, ended: make(chan struct{}),
		tries: make([][]*core.Invocation, len(g.node.cfg.Parts.Endpoints)),
	}
}

// run steps the worker until ctx ends.
func (l *workerLoop) run(ctx context.Context) {
	defer close(l.ended)
	defer l.inbox.close()
	var spare []core.Event
	var out []core.Effect
	last := core.Millis(0)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		events := l.inbox.take(spare)
		rang := len(events) == 0 && l.wait(ctx, timer)
		if len(events) == 0 && !rang {
			continue
		}
		if now := l.gen.now(); now != last || rang { // an alarm may ring in the millisecond in which it was set
			last = now
			out = l.step(core.Tick{Now: now}, out)
		}
		for _, ev := range events {
			out = l.step(ev, out)
		}
		l.submit()
		l.tellDemand(last)
		spare = events
	}
}

// longestSleep is after how much time a sleeping worker looks at the clock: the core's time may have gone faster than the timer's.
const longestSleep = time.Minute

// wait sleeps until there are events or the alarm rings; true if it rang.
func (l *workerLoop) wait(ctx context.Context, timer *time.Timer) bool {
	pause := longestSleep
	if l.alarm > 0 {
		left := l.alarm - l.gen.now()
		if left <= 0 {
			l.alarm = 0
			return true
		}
		pause = min(pause, time.Duration(min(left, core.Millis(longestSleep.Milliseconds())))*time.Millisecond)
	}
	timer.Reset(pause)
	select {
	case <-ctx.Done():
	case <-l.inbox.wake:
	case <-timer.C:
	}
	return false
}

func (l *workerLoop) step(ev core.Event, out []core.Effect) []core.Effect {
	if ask, ok := ev.(describe); ok {
		ask.reply <- l.describe()
		return out
	}
	if _, ok := ev.(core.Begin); ok {
		out = l.cut(ev, out)
	} else {
		out = l.core.Step(ev, out[:0])
	}
	for i, e := range out {
		l.perform(e)
		out[i] = nil
	}
	if ev, ok := ev.(core.Results); ok {
		l.gen.reuse(ev.Results)
	}
	return out
}

// cut steps the beginning of a checkpoint and measures it.
func (l *workerLoop) cut(ev core.Event, out []core.Effect) []core.Effect {
	began := time.Now()
	out = l.core.Step(ev, out[:0])
	l.gen.node.metrics.cuts.Observe(time.Since(began).Seconds())
	return out
}

// perform does what an effect asks for, or hands it to whoever does.
func (l *workerLoop) perform(e core.Effect) {
	g := l.gen
	switch e := e.(type) {
	case *core.Invocation:
		if len(l.tries[e.Endpoint]) == 0 {
			l.queued = append(l.queued, e.Endpoint)
		}
		l.tries[e.Endpoint] = append(l.tries[e.Endpoint], e)
	case *core.Frame:
		g.workers[e.To].inbox.put(e)
	case core.Emit:
		g.egresses[e.Egress].emit(l, e)
	case core.EmitEnd:
		g.emitEnd(l.id, e.Checkpoint)
	case core.Accepted:
		g.acks.accepted(e)
	case core.Credit:
		g.credit(e)
	case core.Want:
		g.coordinator.put(core.Wanted(e))
	case core.Alarm:
		l.alarm = e.At
	case core.EpochEnded:
		g.epochEnded(e.Epoch)
	case core.Part:
		g.uploader.put(e)
	case core.Apply:
		g.applier.put(e.Overlay)
	default:
		l.performRare(e)
	}
}

func (l *workerLoop) performRare(e core.Effect) {
	g := l.gen
	switch e := e.(type) {
	case core.Halted:
		g.halted.Done()
	case core.Broken:
		g.fail(&brokenError{worker: l.id, reason: e.Reason})
	case core.Note:
		if e.Address == (core.Address{}) {
			g.log.Warn(e.Text, "worker", l.id)
		} else {
			g.log.Warn(e.Text, "address", e.Address.String())
		}
	case core.OperatorDone:
		g.requests.answer(e.Request, e)
	case core.Redriven:
		g.requests.answer(e.Request, e)
	case core.Inspected:
		g.requests.answer(e.Request, e)
	default:
		g.loader.put(l, e)
	}
}

// submit hands over the tries of all effects performed since the last call.
func (l *workerLoop) submit() {
	for _, id := range l.queued {
		l.gen.callers[id].Submit(l.tries[id])
		clear(l.tries[id])
		l.tries[id] = l.tries[id][:0]
	}
	l.queued = l.queued[:0]
}

// tellDemand makes known how the worker keeps up with what it is given.
func (l *workerLoop) tellDemand(now core.Millis) {
	stats := l.core.Stats()
	l.consumed.Store(stats.Consumed)
	l.batches.Store(stats.Invocations)
	l.tellHunger(now, l.core.Starving())
}

func (l *workerLoop) tellHunger(now core.Millis, starving bool) {
	switch {
	case !starving:
		l.hungry.Store(0)
	case l.hungry.Load() == 0:
		l.hungry.Store(int64(max(now, 1)))
	}
}

// demand is what all workers together could do with more. One starves that has had too little for as long as lies between two looks: for a moment
// all do, between two batches.
func (g *generation) demand() demand {
	var d demand
	since := int64(g.now()) - paceEvery.Milliseconds()
	for _, w := range g.workers {
		d.consumed += w.consumed.Load()
		d.batches += w.batches.Load()
		hungry := w.hungry.Load()
		d.starving = d.starving || hungry != 0 && hungry < since
	}
	return d
}

// describe asks a worker loop for its numbers.
type describe struct{ reply chan workerStatus }

// workerStatus are a worker's numbers.
type workerStatus struct {
	stats  core.WorkerStats
	gauges core.Gauges
	epoch  core.Epoch
	types  map[core.FunctionType]core.TypeStats
	egress []int // unpublished records
}

func (l *workerLoop) describe() workerStatus {
	s := workerStatus{
		stats: l.core.Stats(), gauges: l.core.Gauges(), epoch: l.core.Epoch(),
		types: map[core.FunctionType]core.TypeStats{},
	}
	l.core.EachType(func(t core.FunctionType, st core.TypeStats) { s.types[t] = st })
	l.core.EachEgress(func(_ core.EgressID, n int) { s.egress = append(s.egress, n) })
	return s
}
