package stateway

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/protocol/trace"
)

// source is what the SDK calls itself in answers to groups.
const source = "stateway-sdk-go"

// itemState is how far an item of a group has come.
type itemState = uint32

const (
	itemWaits itemState = iota
	itemRuns
	itemAnswered
)

// item is one call of a group, with its answer.
type item struct {
	call *group.Call
	ctx  context.Context // ends with the item's time
	// state guards answer: whoever runs the item writes it before itemAnswered, nobody reads it sooner.
	state  atomic.Uint32
	answer group.Answer
}

// groupRun is one group on its way through the functions. It outlives the request if a handler does.
type groupRun struct {
	app   *App
	items []item
	next  atomic.Int64  // the item to start next
	left  atomic.Int64  // items without answer
	done  chan struct{} // closed when none is left
}

// runGroup runs the calls, some at a time, until all are answered or ctx has ended.
func (a *App) runGroup(ctx context.Context, calls []group.Call) *groupRun {
	g := &groupRun{app: a, items: make([]item, len(calls)), done: make(chan struct{})}
	if len(calls) == 0 {
		return g
	}
	ctx, cancel := g.limit(ctx, calls)
	defer cancel()
	g.left.Store(int64(len(calls)))
	for range min(a.parallel, len(calls)) {
		go g.work()
	}
	select {
	case <-g.done:
	case <-ctx.Done():
	}
	return g
}

// limit gives each item the context that ends with its time. It returns the one of the group, which ends with the last.
func (g *groupRun) limit(ctx context.Context, calls []group.Call) (whole context.Context, cancel context.CancelFunc) {
	whole, cancel = context.WithCancel(ctx)
	received, longest := time.Now(), int64(0)
	made := make(map[int64]context.Context, 1) // nearly always, all have the same time
	for i := range calls {
		millis := calls[i].TimeoutMillis
		own := made[millis]
		switch {
		case own != nil:
		case millis <= 0:
			own, longest = whole, math.MaxInt64
		default:
			var stop context.CancelFunc
			own, stop = context.WithDeadline(whole, received.Add(time.Duration(millis)*time.Millisecond))
			context.AfterFunc(whole, stop)
			longest = max(longest, millis)
		}
		made[millis] = own
		g.items[i].call, g.items[i].ctx = &calls[i], own
	}
	if own := made[longest]; own != nil {
		return own, cancel
	}
	return whole, cancel
}

// work runs items until all are started. A handler that ends its goroutine costs its own item only.
func (g *groupRun) work() {
	running := -1
	defer func() {
		if running < 0 {
			return
		}
		err := errors.New("the handler ended its goroutine")
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
		g.finish(running, g.failed(&g.items[running], err))
		go g.work()
	}()
	var room []byte
	for {
		i := int(g.next.Add(1)) - 1
		if i >= len(g.items) {
			return
		}
		running = i
		var answer group.Answer
		answer, room = g.run(&g.items[i], room)
		running = -1
		g.finish(i, answer)
	}
}

func (g *groupRun) finish(i int, answer group.Answer) {
	it := &g.items[i]
	it.answer = answer
	it.state.Store(itemAnswered)
	if g.left.Add(-1) == 0 {
		close(g.done)
	}
}

// roomOfAnswers is how much memory is set aside for short answers at once, in bytes.
const roomOfAnswers = 16 << 10

// run answers one call. The answer may lie in room, of which the rest is returned.
func (g *groupRun) run(it *item, room []byte) (answer group.Answer, rest []byte) {
	if it.call.Err != nil {
		return g.failed(it, it.call.Err), room
	}
	if err := it.ctx.Err(); err != nil {
		return group.Answer{Kind: group.Retry, Message: "not started: " + err.Error()}, room
	}
	it.state.Store(itemRuns)
	s := scratches.Get().(*scratch)
	defer s.release()
	if err := g.app.registry.Load().decodeToFunction(it.call.Data, &s.batch); err != nil {
		return g.failed(it, err), room
	}
	s.batch.Traceparent = trace.Parse(it.call.Traceparent).String()
	if err := g.app.Run(it.ctx, &s.batch, &s.effects); err != nil {
		return g.failed(it, err), room
	}
	if cap(room)-len(room) < roomOfAnswers/16 {
		room = make([]byte, 0, roomOfAnswers)
	}
	data := s.effects.AppendFromFunction(room[len(room):])
	if len(data) <= cap(room)-len(room) { // otherwise it has memory of its own
		room = room[:len(room)+len(data)]
	}
	return group.Answer{Kind: group.Result, Data: data[:len(data):len(data)]}, room
}

// failed answers for a failure: with retry if the item's time is over, which says nothing about the item.
func (g *groupRun) failed(it *item, err error) group.Answer {
	if ended := it.ctx.Err(); ended != nil && errors.Is(err, ended) {
		return group.Answer{Kind: group.Retry, Message: err.Error()}
	}
	g.app.logFailure(it.ctx, err)
	return group.Answer{Kind: group.Poison, Message: err.Error()}
}

// answers calls f with the answer to each call that has an id, in order. Calls without an answer are to be tried again.
func (g *groupRun) answers(f func(*group.Answer)) {
	for i := range g.items {
		it := &g.items[i]
		var a group.Answer
		switch state := it.state.Load(); {
		case it.call.ID == "":
			continue
		case state == itemAnswered:
			a = it.answer
		default:
			a = group.Answer{Kind: group.Retry, Message: unfinished(state)}
		}
		a.ID, a.Source = it.call.ID, source
		f(&a)
	}
}

func unfinished(state itemState) string {
	if state == itemRuns {
		return "not finished: no time was left"
	}
	return "not started: no time was left"
}

// encode writes the answers in at most limit bytes; zero means no limit. An answer that does not fit beside others is
// left out, so that the call is tried again alone; one that does not fit alone says so. known, if not zero, is announced.
func (g *groupRun) encode(e *group.Encoder, enc group.Encoding, dst []byte, limit int, known group.Encodings) []byte {
	e.Reset(enc, dst, limit)
	g.answers(func(a *group.Answer) {
		if e.Len() == 0 {
			a.Encodings = known
		}
		if e.AddAnswer(a) || e.Len() > 0 {
			return
		}
		what := fmt.Sprintf("the answer has %d bytes, and %d bytes of %s fit into one", len(a.Data), limit, enc)
		e.AddAnswer(&group.Answer{ID: a.ID, Source: source, Kind: group.Poison, Message: what, Encodings: known})
	})
	return e.Finish()
}
