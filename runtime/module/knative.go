package module

import (
	"math"
	"time"
)

// ColdStart says how a service is waited for that may have scaled to zero.
type ColdStart struct {
	// Patience is how much longer than its invocations' time a request may wait for the first byte of an answer while the
	// service is cold. Default 1 min.
	Patience time.Duration `json:",omitzero"`
	// Idle is after how long without an answer the service counts as cold. Default 30 s.
	Idle time.Duration `json:",omitzero"`
}

const (
	defaultPatience = time.Minute
	defaultIdle     = 30 * time.Second
)

// knative reads an endpoint of CloudEvents servers that may scale to zero.
func (l *loader) knative(kind string, spec *object) {
	e := Endpoint{
		Kind: kind, At: spec.node.at, Transport: asyncTransport(), Group: l.group(spec, defaultGroup(), math.MaxInt32),
		ColdStart: ColdStart{Patience: defaultPatience, Idle: defaultIdle},
	}
	if part, typ, ok := spec.variant("transport", TransportAsync); ok {
		e.Transport = l.transport(part, typ, TransportAsync)
	}
	if s, n := spec.scalar("http2"); n != nil && l.oneOf(n, "http2", s, "true", "false") {
		e.Transport.HTTP2 = s == "true"
	}
	if o := spec.sub("coldStart"); o != nil {
		e.ColdStart.Patience = o.duration("patience", e.ColdStart.Patience)
		e.ColdStart.Idle = o.positive("idle", e.ColdStart.Idle)
		o.done()
	}
	l.endpoint(e, spec)
}
