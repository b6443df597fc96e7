package module

import (
	"math"
	"time"
)

// Group says how invocations of different Addresses travel together in one request, with every default filled in. The
// zero value means that each travels alone.
type Group struct {
	// MaxItems is the most invocations of a request; from 1 to 65,536, default 1000.
	MaxItems int `json:",omitzero"`
	// MaxBytes is the size of a request, beyond which no further invocation is added; default 4 MiB, of a Lambda
	// RequestMaxBytes. For HTTP it is measured roughly, as if the request were JSON.
	MaxBytes int `json:",omitzero"`
	// Concurrency is the most requests under way; default 1024.
	Concurrency int `json:",omitzero"`
	// Linger is how long an invocation waits for others to travel with while it could be sent; default 0.
	Linger time.Duration `json:",omitzero"`
	// Target is how long a request may take before they are made smaller; default 100 ms, 0 means any time.
	Target time.Duration `json:",omitzero"`
	// Ramp is by how many more requests under way the endpoint grows in RampEvery; 0 means at once. Default 0, of a Lambda
	// 1000 in 10 s.
	Ramp      int           `json:",omitzero"`
	RampEvery time.Duration `json:",omitzero"`
	// Price is what requests cost; zero if the file does not say.
	Price Price `json:",omitzero"`
}

// Price is what requests cost, in any currency, for the metric that estimates it.
type Price struct {
	Request  float64 `json:",omitzero"` // of a request
	GBSecond float64 `json:",omitzero"` // of a second of a gigabyte (2^30 bytes)
	MemoryMB int     `json:",omitzero"` // of an instance, in 2^20 bytes; default 128
}

// Second is what a second of an instance costs.
func (p Price) Second() float64 { return p.GBSecond * float64(p.MemoryMB) / 1024 }

// Used reports whether invocations travel together.
func (g Group) Used() bool { return g.MaxItems > 0 }

const (
	maxGroupItems     = 1 << 16
	defaultGroupItems = 1000
	defaultGroupBytes = 4 << 20
	minGroupBytes     = 1 << 10
	defaultConcurrent = 1024
	defaultRampEvery  = 10 * time.Second

	// defaultTarget is enough for an instance that runs its invocations one after the other to have much more work than a request costs; what
	// else is ready goes to other instances. Without a target all of it would go to one of them.
	defaultTarget = 100 * time.Millisecond
)

func defaultGroup() Group {
	return Group{MaxItems: defaultGroupItems, MaxBytes: defaultGroupBytes, Concurrency: defaultConcurrent, Target: defaultTarget}
}

// group reads group: over its defaults. A request may be made as large as largest bytes.
func (l *loader) group(spec *object, g Group, largest int) Group {
	o := spec.sub("group")
	if o == nil {
		return g
	}
	g.MaxItems = int(o.integer("maxItems", int64(g.MaxItems), 1, maxGroupItems))
	g.MaxBytes = int(o.integer("maxBytes", int64(g.MaxBytes), minGroupBytes, int64(largest)))
	g.Concurrency = int(o.integer("concurrency", int64(g.Concurrency), 1, math.MaxInt32))
	g.Linger = o.duration("linger", g.Linger)
	g.Target = o.duration("target", g.Target)
	g.Ramp = int(o.integer("ramp", int64(g.Ramp), 0, math.MaxInt32))
	if g.RampEvery = o.positive("rampEvery", defaultRampEvery); g.Ramp == 0 {
		g.RampEvery = 0
		if o.has("rampEvery") {
			l.warnf(o.keyAt("rampEvery"), "add ramp, or leave it out", "rampEvery has no effect without ramp")
		}
	}
	g.Price = o.price()
	o.done()
	return g
}

const (
	highestPrice  = 1e6
	defaultMemory = 128
	maxMemory     = 1 << 20
)

func (o *object) price() Price {
	p := o.sub("price")
	if p == nil {
		return Price{}
	}
	price := Price{
		Request: p.number("request", 0, 0, highestPrice), GBSecond: p.number("gbSecond", 0, 0, highestPrice),
		MemoryMB: int(p.integer("memoryMB", defaultMemory, 1, maxMemory)),
	}
	p.done()
	return price
}

// Batch values of an HTTP endpoint.
const (
	batchNone        = "none"
	batchCloudEvents = "cloudevents"
)

// batch reads batch: and with it group:, of an HTTP endpoint, which groups nothing unless it is told to.
func (l *loader) batch(spec *object) Group {
	s, n := spec.scalar("batch")
	if n != nil && l.oneOf(n, "batch", s, batchNone, batchCloudEvents) && s == batchCloudEvents {
		return l.group(spec, defaultGroup(), math.MaxInt32)
	}
	spec.value("group")
	if spec.has("group") {
		l.warnf(spec.keyAt("group"), "add batch: "+batchCloudEvents+", or leave group out", "group has no effect without batch: %s", batchCloudEvents)
	}
	return Group{}
}
