package module

import (
	"math"
	"time"
)

// Endpoint is where functions are served, and how.
type Endpoint struct {
	// Kind is KindHTTPv1, KindHTTPv2, KindKnative, KindLambda or KindEmbedded.
	Kind string `json:",omitzero"`
	// Functions are the function types it serves.
	Functions Pattern
	// URL is where they are reached; zero for KindEmbedded and KindLambda.
	URL URLTemplate `json:",omitzero"`
	// Lambda is where they are reached with KindLambda, otherwise zero.
	Lambda Lambda `json:",omitzero"`
	// Group is how invocations travel together; zero if they do not.
	Group Group `json:",omitzero"`
	// ColdStart is of KindKnative only.
	ColdStart ColdStart `json:",omitzero"`
	// MaxNumBatchRequests is the most messages that travel in one invocation. 0 means no limit; the default is 1000.
	MaxNumBatchRequests int `json:",omitzero"`
	// Transport is how HTTP is spoken. Of an embedded endpoint and of a Lambda only Call counts.
	Transport Transport
	// Retry is how failed invocations are tried again.
	Retry Retry
	// OnFailure is what happens to an Address once the tries are used up.
	OnFailure OnFailure
	// DeadLetter says where messages go that OnFailureDeadLetter gives up.
	DeadLetter DeadLetter `json:",omitzero"`
	// At is where a file declares it.
	At Position `json:"-"`
}

// Retry is the pause between the tries of one invocation: Initial, then each Multiplier times the last, at most
// Max, each made longer or shorter by up to the share Jitter of it at random.
type Retry struct {
	Initial    time.Duration // default 10 ms
	Max        time.Duration // default 30 s
	Multiplier float64       // from 1; default 2
	Jitter     float64       // from 0 to 1; default 0.2
	// MaxAttempts is the most tries; 0, the default, means as many as Transport.Call has time for.
	MaxAttempts int `json:",omitzero"`
}

// OnFailure is what happens to an Address whose invocation has failed for good.
type OnFailure string

// The values of onFailure.
const (
	OnFailureHold       OnFailure = "hold"       // the Address waits, its messages kept, until an operator acts
	OnFailureDeadLetter OnFailure = "deadLetter" // the message goes to an egress, the Address goes on
)

// DeadLetter is where given-up messages go.
type DeadLetter struct {
	// Egress takes the messages. Zero unless deadLetter is given; always set with OnFailureDeadLetter.
	Egress TypeName `json:",omitzero"`
	// Retain is how long the failure can still be looked at and put back; default 7 days.
	Retain time.Duration `json:",omitzero"`
}

const (
	defaultBatch  = 1000
	defaultRetain = 7 * 24 * time.Hour
)

func defaultRetry() Retry {
	return Retry{Initial: 10 * time.Millisecond, Max: 30 * time.Second, Multiplier: 2, Jitter: 0.2}
}

// embeddedEndpoint is the endpoint of functions that the embedding program registers.
func embeddedEndpoint(p Pattern) Endpoint {
	return Endpoint{
		Kind: KindEmbedded, Functions: p, MaxNumBatchRequests: defaultBatch,
		Transport: Transport{Call: asyncTransport().Call},
		Retry:     defaultRetry(), OnFailure: OnFailureHold, DeadLetter: DeadLetter{Retain: defaultRetain},
	}
}

func (l *loader) httpV2(kind string, spec *object) {
	e := Endpoint{Kind: kind, At: spec.node.at, Transport: asyncTransport()}
	if part, typ, ok := spec.variant("transport", TransportAsync); ok {
		e.Transport = l.transport(part, typ, TransportAsync, TransportOKHTTP)
	}
	e.Group = l.batch(spec)
	l.endpoint(e, spec)
}

// httpV1 has the older keys: timeouts stands beside the others, and the transport is always okhttp.
func (l *loader) httpV1(kind string, spec *object) {
	e := Endpoint{Kind: kind, At: spec.node.at, Transport: okhttpTransport()}
	l.okhttpTimeouts(spec, &e.Transport)
	if spec.has("transport") {
		spec.value("transport")
		l.warnf(spec.keyAt("transport"), "use kind "+KindHTTPv2, "%s has no transport; the key is ignored", kind)
	}
	l.endpoint(e, spec)
}

// endpoint reads what all that is reached by a URL has in common.
func (l *loader) endpoint(e Endpoint, spec *object) {
	url, urlNode := spec.requiredText("urlPathTemplate", "write urlPathTemplate: http://host:port/path")
	if urlNode != nil {
		e.URL = l.urlTemplate(url, urlNode.at)
		l.checkTLS(spec, e)
	}
	l.functions(e, spec)
}

// functions reads what all endpoints have in common.
func (l *loader) functions(e Endpoint, spec *object) {
	functions, functionsNode := spec.requiredText("functions", "write functions: namespace/name or namespace/*")
	e.MaxNumBatchRequests = int(max(0, spec.integer("maxNumBatchRequests", defaultBatch, math.MinInt32, math.MaxInt32)))
	e.Retry = l.retry(spec)
	l.failure(spec, &e)
	if functionsNode == nil {
		l.incomplete = true
		return
	}
	p, err := ParsePattern(functions)
	if err != nil {
		l.incomplete = true
		l.errorf(functionsNode.at, "write namespace/name for one function or namespace/* for all of a namespace", "functions: %v", err)
		return
	}
	e.Functions, e.At = p, functionsNode.at
	l.app.Endpoints = append(l.app.Endpoints, e)
}

func (l *loader) retry(spec *object) Retry {
	r := defaultRetry()
	o := spec.sub("retry")
	if o == nil {
		return r
	}
	r.Initial = o.positive("initial", r.Initial)
	r.Max = o.positive("max", max(r.Max, r.Initial))
	if r.Max < r.Initial {
		l.errorf(o.keyAt("max"), "let max be at least initial", "retry.max %s is shorter than retry.initial %s", r.Max, r.Initial)
	}
	r.Multiplier = o.number("multiplier", r.Multiplier, 1, 100)
	r.Jitter = o.number("jitter", r.Jitter, 0, 1)
	r.MaxAttempts = int(o.integer("maxAttempts", 0, 0, math.MaxInt32))
	o.done()
	return r
}

func (l *loader) failure(spec *object, e *Endpoint) {
	e.OnFailure = OnFailureHold
	if s, n := spec.scalar("onFailure"); n != nil &&
		l.oneOf(n, "onFailure", s, string(OnFailureHold), string(OnFailureDeadLetter)) {
		e.OnFailure = OnFailure(s)
	}
	e.DeadLetter.Retain = defaultRetain
	const hint = "write deadLetter: {egress: namespace/name}"
	o := spec.sub("deadLetter")
	if o == nil {
		if e.OnFailure == OnFailureDeadLetter && !spec.has("deadLetter") {
			l.errorf(spec.keyAt("onFailure"), hint, "onFailure: deadLetter needs an egress to send to")
		}
		return
	}
	if n := o.required("egress", hint); n != nil {
		if name, at := l.name(n, "deadLetter.egress"); at != nil {
			e.DeadLetter.Egress = name
			l.letters = append(l.letters, reference{name, at.at})
		}
	}
	e.DeadLetter.Retain = o.positive("retain", defaultRetain)
	o.done()
	if e.OnFailure == OnFailureHold {
		l.warnf(spec.keyAt("deadLetter"), "add onFailure: deadLetter, or leave deadLetter out", "deadLetter has no effect while onFailure is hold")
	}
}
