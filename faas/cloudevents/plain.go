package cloudevents

import (
	"strconv"
	"sync"
	"time"

	"github.com/stateway/stateway/faas/http"
	"github.com/stateway/stateway/faas/reqreply"
	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/runtime/core"
)

// plainGroup is a group whose items travel each in a plain request, to a server that takes no groups.
type plainGroup struct {
	transport *Transport
	group     *core.Group
	since     time.Time

	mu        sync.Mutex
	left      int
	items     []core.Outcome
	throttled bool
	tooLarge  bool
}

// plain is the request of one item.
type plain struct {
	all *plainGroup
	i   int
}

var plainCodecs = sync.Pool{New: func() any { return new(reqreply.Codec) }}

func (t *Transport) sendPlain(g *core.Group, since time.Time) {
	p := &plainGroup{transport: t, group: g, since: since, left: len(g.Items), items: make([]core.Outcome, len(g.Items))}
	for i := range g.Items {
		t.client.Post(&plain{p, i})
	}
}

func (p *plain) invocation() *core.Invocation { return p.all.group.Items[p.i] }

// Function implements http.Request.
func (p *plain) Function() core.FunctionType { return p.invocation().Target.Type }

// ContentType implements http.Request.
func (p *plain) ContentType() string { return "application/octet-stream" }

// Budget implements http.Request.
func (p *plain) Budget() time.Duration {
	return p.all.transport.asker.Budget(p.invocation())
}

// Patience implements http.Request.
func (p *plain) Patience() time.Duration { return p.all.transport.patience() }

// Trace implements http.Request.
func (p *plain) Trace() *trace.Context { return p.invocation().Trace() }

// Append implements http.Request.
func (p *plain) Append(b []byte) []byte {
	c := plainCodecs.Get().(*reqreply.Codec)
	defer plainCodecs.Put(c)
	c.Prepare(p.invocation())
	return c.AppendRequest(b)
}

// Answered implements http.Request.
func (p *plain) Answered(a *http.Answer) {
	server := &p.all.transport.server
	if a.Status != 0 && !a.Trouble {
		server.answered()
	}
	o := p.outcome(a)
	if o.Class == core.OutcomeOK {
		server.tookPlain(a.Group)
	}
	p.all.take(p.i, o, a)
}

func (p *plain) outcome(a *http.Answer) core.Outcome {
	switch {
	case a.Trouble:
		return core.Outcome{Class: core.OutcomeTrouble, Reason: a.Reason, RetryAfter: a.RetryAfter}
	case a.Reason != "":
		return core.Outcome{Class: core.OutcomeFailed, Reason: a.Reason}
	case a.ContentType != "":
		return core.Outcome{Class: core.OutcomeFailed, Reason: "content type " + strconv.Quote(a.ContentType) + " of the answer: must be " + p.ContentType()}
	}
	c := plainCodecs.Get().(*reqreply.Codec)
	defer plainCodecs.Put(c)
	resp, err := c.ParseAnswer(a.Body)
	if err != nil {
		return core.Outcome{Class: core.OutcomeFailed, Reason: err.Error()}
	}
	return core.Outcome{Response: resp}
}

// take notes what became of an item, and with the last one what became of the group.
func (p *plainGroup) take(i int, o core.Outcome, a *http.Answer) {
	p.mu.Lock()
	p.items[i] = o
	p.throttled = p.throttled || a.Status == 429
	p.tooLarge = p.tooLarge || a.Status == 413
	p.left--
	last := p.left == 0
	p.mu.Unlock()
	if last {
		t := p.transport
		t.report(p.group, p.outcome(), p.since, t.asker.Longest(p.group))
	}
}

// outcome is what became of the group. All items have met trouble: that is the group's.
func (p *plainGroup) outcome() core.GroupOutcome {
	if len(p.items) == 1 && p.tooLarge {
		return core.GroupOutcome{Class: core.GroupTooLarge, Reason: p.items[0].Reason}
	}
	after := core.Millis(0)
	for i := range p.items {
		if p.items[i].Class != core.OutcomeTrouble {
			return core.GroupOutcome{Items: p.items}
		}
		after = max(after, p.items[i].RetryAfter)
	}
	return core.GroupOutcome{Class: core.GroupTrouble, Reason: p.items[0].Reason, RetryAfter: after, Throttled: p.throttled}
}
