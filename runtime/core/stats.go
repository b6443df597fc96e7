package core

// WorkerStats counts since the worker was made. The driver reads them between steps.
type WorkerStats struct {
	Tries              uint64 // invocations handed to endpoints
	Invocations        uint64 // accepted
	Consumed           uint64 // messages of accepted invocations
	Stale              uint64 // outcomes of tries that were not in flight
	Repeats            uint64 // messages dropped for their dedupe id
	Timers             uint64 // delayed messages that came due
	Cancelled          uint64
	EgressRecords      uint64
	Expired            uint64 // states and dedupe ids swept
	Held               int    // Addresses
	DeadLetters        uint64
	DeadLettersUnfit   uint64 // sent without the message itself, or not at all, because the egress does not take it
	DeadLettersDropped uint64 // kept ones deleted before their time, because there were too many
	DeadLettersBack    uint64 // put back by operators
	Dropped            uint64 // by operators
	Rows               uint64 // of segments
}

// TypeStats counts for one function type.
type TypeStats struct {
	In          uint64 // messages that arrived
	Invocations uint64 // accepted
	Failures    uint64 // failed tries
	Messages    uint64 // sent
}

// Gauges are what a worker holds now.
type Gauges struct {
	Instances    int
	Ready        int
	InFlight     int
	Troubled     int
	MailBytes    int64
	OverlayBytes int64
	CacheBytes   int64
	DiskBytes    int64
	OutboxBytes  int64
}

// Stats are the worker's counters.
func (w *Worker) Stats() WorkerStats { return w.stats }

// EachType calls f with the counters of the first MaxCountedTypes function types seen, in a fixed order, and with those of all others
// together under OtherTypes.
func (w *Worker) EachType(f func(FunctionType, TypeStats)) {
	for _, c := range w.counted {
		f(c.name, c.stats)
	}
	if w.uncounted != (TypeStats{}) {
		f(OtherTypes, w.uncounted)
	}
}

// EachEgress calls f with the number of records of every egress that are not published.
func (w *Worker) EachEgress(f func(id EgressID, unpublished int)) {
	for id := range w.egresses {
		f(EgressID(id), w.egresses[id].unpublished) //nolint:gosec // a short list
	}
}

// Gauges is what the worker holds.
func (w *Worker) Gauges() Gauges {
	return Gauges{
		Instances: w.instances, Ready: w.ready, InFlight: w.inflight(), Troubled: len(w.troubled),
		MailBytes: w.mailBytes, OverlayBytes: w.overlayBytes, CacheBytes: w.cacheBytes,
		DiskBytes: w.diskBytes, OutboxBytes: w.outboxBytes,
	}
}

// Epoch is the open epoch.
func (w *Worker) Epoch() Epoch { return w.epoch }

// Plus adds another worker's counters.
func (s WorkerStats) Plus(o WorkerStats) WorkerStats {
	s.Tries += o.Tries
	s.Invocations += o.Invocations
	s.Consumed += o.Consumed
	s.Stale += o.Stale
	s.Repeats += o.Repeats
	s.Timers += o.Timers
	s.Cancelled += o.Cancelled
	s.EgressRecords += o.EgressRecords
	s.Expired += o.Expired
	s.Held += o.Held
	s.DeadLetters += o.DeadLetters
	s.DeadLettersUnfit += o.DeadLettersUnfit
	s.DeadLettersDropped += o.DeadLettersDropped
	s.DeadLettersBack += o.DeadLettersBack
	s.Dropped += o.Dropped
	s.Rows += o.Rows
	return s
}

// Plus adds another worker's counters.
func (s TypeStats) Plus(o TypeStats) TypeStats {
	s.In += o.In
	s.Invocations += o.Invocations
	s.Failures += o.Failures
	s.Messages += o.Messages
	return s
}

// Plus adds what another worker holds.
func (g Gauges) Plus(o Gauges) Gauges {
	g.Instances += o.Instances
	g.Ready += o.Ready
	g.InFlight += o.InFlight
	g.Troubled += o.Troubled
	g.MailBytes += o.MailBytes
	g.OverlayBytes += o.OverlayBytes
	g.CacheBytes += o.CacheBytes
	g.DiskBytes += o.DiskBytes
	g.OutboxBytes += o.OutboxBytes
	return g
}
