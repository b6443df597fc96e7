package lambda

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/stateway/stateway/faas/endpoint"
	"github.com/stateway/stateway/faas/group"
	protocol "github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/runtime/core"
)

// Config describes a function. The zero value of a field means its default.
type Config struct {
	// Client is how the function is reached. Required.
	Client *Client
	// Function is a name, a partial ARN or an ARN, with :alias or :version behind it if wanted. Required.
	Function string
	// Asker is what all groups have in common. Its Call is, by default, the longest that a function may run: 15 minutes.
	Asker group.Asker
	// Way is how much longer than that an answer is waited for: the way there and back, and a cold start. Default: 10 s.
	Way time.Duration
	// MaxRequest and MaxResponse are the longest payload and answer, in bytes. Default, and at most: what Lambda takes, 6 MiB.
	MaxRequest, MaxResponse int
}

const defaultWay = 10 * time.Second

func (c Config) withDefaults() Config {
	if c.Asker.Call <= 0 {
		c.Asker.Call = longestCall
	}
	if c.Way <= 0 {
		c.Way = defaultWay
	}
	for _, limit := range []*int{&c.MaxRequest, &c.MaxResponse} {
		if *limit <= 0 || *limit > protocol.MaxLambdaPayload {
			*limit = protocol.MaxLambdaPayload
		}
	}
	return c
}

// validate reports all that is wrong at once.
func (c Config) validate() error {
	var errs []error
	if c.Client == nil {
		errs = append(errs, errors.New("client: is not set"))
	}
	if c.Function == "" {
		errs = append(errs, errors.New("function: is not set"))
	}
	return errors.Join(errs...)
}

// GroupBytes is how much may be put into a group, measured by Size, for payloads of at most maxRequest bytes: a
// core.GroupDispatcherConfig.MaxBytes. It is more than that, since packed payloads hold more; what turns out not to fit is halved
// without a request.
func GroupBytes(maxRequest int) int { return maxRequest / 3 * 8 }

// Size is what an invocation takes in a payload, in bytes, unless it is packed: for core.GroupDispatcherConfig.
func Size(a group.Asker) func(*core.Invocation) int {
	return func(inv *core.Invocation) int { return a.Size(protocol.JSON, inv) }
}

// Transport sends groups to one function. Make it with New.
type Transport struct {
	cfg   Config
	done  func([]endpoint.GroupResult)
	tasks sync.WaitGroup  // groups under way
	ctx   context.Context //nolint:containedctx // ends all calls at Close
	end   context.CancelFunc

	known   atomic.Uint32 // protocol.Encodings as announced last; zero if nothing is known
	certain atomic.Int64  // how many more failures are not the encoding's; below zero none are
}

// New makes a Transport. done is called by many goroutines, once for each group.
func New(cfg Config, done func([]endpoint.GroupResult)) (*Transport, error) {
	cfg = cfg.withDefaults()
	t := &Transport{cfg: cfg, done: done}
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", t, err)
	}
	t.ctx, t.end = context.WithCancel(context.Background())
	return t, nil
}

// Send begins a call for each group. It does not block, and keeps the groups until done has them.
func (t *Transport) Send(groups []*core.Group) {
	for _, g := range groups {
		t.tasks.Add(1)
		go t.deliver(g)
	}
}

// Close ends all calls and waits for their goroutines. It closes connections of the Client that nobody uses.
func (t *Transport) Close() {
	t.end()
	t.tasks.Wait()
	t.cfg.Client.CloseIdle()
}

// String names the function.
func (t *Transport) String() string { return "lambda " + t.cfg.Function }

func (t *Transport) deliver(g *core.Group) {
	defer t.tasks.Done()
	o := t.outcome(g)
	if t.ctx.Err() != nil {
		return
	}
	t.done([]endpoint.GroupResult{{Group: g, Outcome: o}})
}

// codecs are kept between groups, not one for each that is under way.
var codecs = sync.Pool{New: func() any { return new(group.Codec) }}

// outcome sends a group in the densest encoding that is known. If that finds no answer, the function may have been replaced by one that
// reads JSON only: the group goes once more.
func (t *Transport) outcome(g *core.Group) core.GroupOutcome {
	enc, payload, ok := t.encode(g)
	if !ok {
		return t.tooLarge(g)
	}
	o := t.invoke(g, enc, payload)
	if enc == protocol.JSON || o.Class != core.GroupFailed || t.certain.Add(-1) >= 0 {
		return o
	}
	t.known.Store(0)
	if payload, ok = t.encodeAs(protocol.JSON, g, nil); !ok { // not in the room of the first: its connection may still write that
		return o
	}
	if o = t.invoke(g, protocol.JSON, payload); o.Class == core.GroupFailed {
		t.certain.Store(certainFor)
	}
	return o
}

// certainFor is how many failures are not asked twice after one that was no fault of the encoding: else a poison item would be
// looked for with twice as many requests.
const certainFor = 32

func (t *Transport) tooLarge(g *core.Group) core.GroupOutcome {
	if len(g.Items) > 1 {
		return core.GroupOutcome{Class: core.GroupTooLarge, Reason: t.reason("the group does not fit into a payload")}
	}
	inv := g.Items[0]
	return core.GroupOutcome{Class: core.GroupTooLarge, Reason: t.reason("%d messages with their state take %d bytes, and a payload has at most %d",
		len(inv.Messages), t.cfg.Asker.Size(protocol.JSON, inv), t.cfg.MaxRequest)}
}

// encode chooses the encoding. What fits only when it is packed is packed for a function of which nothing is known yet, if it cannot
// be halved.
func (t *Transport) encode(g *core.Group) (enc protocol.Encoding, payload []byte, ok bool) {
	known := protocol.Encodings(t.known.Load()) //nolint:gosec // stored by announce
	if !known.Has(protocol.Packed) {
		if payload, ok = t.encodeAs(protocol.JSON, g, nil); ok || known != 0 || len(g.Items) > 1 {
			return protocol.JSON, payload, ok
		}
	}
	payload, ok = t.encodeAs(protocol.Packed, g, payload[:0])
	return protocol.Packed, payload, ok
}

func (t *Transport) encodeAs(enc protocol.Encoding, g *core.Group, room []byte) ([]byte, bool) {
	c := codecs.Get().(*group.Codec)
	defer codecs.Put(c)
	if room == nil && enc == protocol.JSON {
		room = make([]byte, 0, min(max(g.Bytes, 0), t.cfg.MaxRequest)+2)
	}
	return c.Encode(enc, &t.cfg.Asker, g, room, t.cfg.MaxRequest)
}

// invoke makes one call.
func (t *Transport) invoke(g *core.Group, enc protocol.Encoding, payload []byte) core.GroupOutcome {
	budget := t.cfg.Asker.Longest(g)
	ctx, cancel := context.WithTimeout(t.ctx, budget+t.cfg.Way)
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(info httptrace.WroteRequestInfo) { sent.Store(info.Err == nil) },
	})
	out, err := t.cfg.Client.api.Invoke(context.WithValue(ctx, payloadKey{}, payload), &lambda.InvokeInput{
		FunctionName: &t.cfg.Function, InvocationType: types.InvocationTypeRequestResponse, Payload: payload,
	})
	switch {
	case err != nil:
		return t.failure(err, sent.Load(), budget)
	case out.FunctionError != nil:
		return t.functionError(*out.FunctionError, out.Payload)
	}
	return t.answer(g, enc, out.Payload)
}

// answer reads what the function has answered.
func (t *Transport) answer(g *core.Group, enc protocol.Encoding, payload []byte) core.GroupOutcome {
	if len(payload) > t.cfg.MaxResponse {
		return core.GroupOutcome{Class: core.GroupTooLarge, Reason: t.reason("the answer has %d bytes, and at most %d are read", len(payload), t.cfg.MaxResponse)}
	}
	if got, ok := protocol.OfPayload(payload); !ok || got != enc {
		return core.GroupOutcome{Class: core.GroupFailed, Reason: t.reason("the answer is no group: %s", excerpt(payload))}
	}
	c := codecs.Get().(*group.Codec)
	defer codecs.Put(c)
	a, err := c.Decode(enc, g, payload)
	if err != nil {
		return core.GroupOutcome{Class: core.GroupFailed, Reason: t.reason("%v", err)}
	}
	if a.Encodings != 0 && uint32(a.Encodings) != t.known.Load() {
		t.known.Store(uint32(a.Encodings))
	}
	a.Outcome.Stray = a.Stray.Doubled + a.Stray.Older + a.Stray.Unknown
	return a.Outcome
}

func (t *Transport) reason(format string, args ...any) string {
	return t.String() + ": " + fmt.Sprintf(format, args...)
}
