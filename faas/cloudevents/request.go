package cloudevents

import (
	"fmt"
	"sync"
	"time"

	codec "github.com/stateway/stateway/faas/group"
	"github.com/stateway/stateway/faas/http"
	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/runtime/core"
)

// request is one POST of a group.
type request struct {
	transport *Transport
	group     *core.Group
	enc       group.Encoding
	since     time.Time      // when the group was sent first
	doubted   group.Encoding // in which it was sent before; zero if it was not
}

// Function implements http.Request.
func (r *request) Function() core.FunctionType { return r.group.Items[0].Target.Type }

// ContentType implements http.Request.
func (r *request) ContentType() string { return r.enc.ContentType() }

// Budget implements http.Request: the time of the item that may take longest, and the way.
func (r *request) Budget() time.Duration { return r.longest() + r.transport.cfg.Allowance }

// Patience implements http.Request.
func (r *request) Patience() time.Duration { return r.transport.patience() }

func (r *request) longest() time.Duration { return r.transport.asker.Longest(r.group) }

// Trace implements http.Request: each item has its own.
func (r *request) Trace() *trace.Context { return nil }

var codecs = sync.Pool{New: func() any { return new(codec.Codec) }}

// Append implements http.Request.
func (r *request) Append(b []byte) []byte {
	c := codecs.Get().(*codec.Codec)
	defer codecs.Put(c)
	b, _ = c.Encode(r.enc, r.transport.asker, r.group, b, 0)
	return b
}

// Answered implements http.Request.
func (r *request) Answered(a *http.Answer) {
	t := r.transport
	if a.Status != 0 && !a.Trouble {
		t.server.answered()
	}
	switch {
	case a.Trouble:
		r.report(core.GroupOutcome{Class: core.GroupTrouble, Reason: a.Reason, RetryAfter: a.RetryAfter, Throttled: a.Status == 429})
	case a.TooLarge || a.Status == 413:
		r.report(core.GroupOutcome{Class: core.GroupTooLarge, Reason: a.Reason})
	case a.Status == 415:
		t.send(r.group, t.server.refused(r.enc), r.since)
	default:
		o, err := r.decode(a)
		if err != nil {
			r.failed(err.Error(), a.Status != 0)
			return
		}
		r.report(o)
	}
}

func (r *request) report(o core.GroupOutcome) { r.transport.report(r.group, o, r.since, r.longest()) }

// failed ends a group without an answer, or sends it once more if that may be due to its form: in JSON, and when a single item has been
// refused, as a plain request, which every server understands. The answer to that tells whether it still takes groups.
func (r *request) failed(reason string, refused bool) {
	t := r.transport
	if r.doubted == 0 && t.server.doubt(r.enc) {
		t.client.Post(&request{transport: t, group: r.group, enc: group.JSON, since: r.since, doubted: r.enc})
		return
	}
	if r.doubted != 0 {
		t.server.cleared(r.doubted)
	}
	if refused && len(r.group.Items) == 1 {
		t.sendPlain(r.group, r.since)
		return
	}
	r.report(core.GroupOutcome{Class: core.GroupFailed, Reason: reason})
}

// decode reads the answer. An error means that there is none.
func (r *request) decode(a *http.Answer) (core.GroupOutcome, error) {
	if a.Reason != "" {
		return core.GroupOutcome{}, fmt.Errorf("group of %d: %s", len(r.group.Items), a.Reason)
	}
	enc, ok := group.OfContentType(a.ContentType)
	if a.Status != 200 || !ok {
		return core.GroupOutcome{}, fmt.Errorf("group of %d: status %d with content type %q: must be 200 with %s",
			len(r.group.Items), a.Status, a.ContentType, r.enc.ContentType())
	}
	c := codecs.Get().(*codec.Codec)
	defer codecs.Put(c)
	got, err := c.Decode(enc, r.group, a.Body)
	if err != nil {
		return core.GroupOutcome{}, fmt.Errorf("group of %d: %w", len(r.group.Items), err)
	}
	r.transport.server.tookGroup(a.Group, got.Encodings)
	got.Outcome.Stray = got.Stray.Doubled + got.Stray.Older + got.Stray.Unknown
	return got.Outcome, nil
}
