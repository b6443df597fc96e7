package kinesis

import (
	"cmp"
	"slices"
)

// Stats are counters of one stream since Open.
type Stats struct {
	// Stream is its name or ARN; empty for streams that are not kept any more.
	Stream string
	// Records and Bytes (data and partition keys) are in the stream; an aggregate's records count each.
	Records, Bytes uint64
	// Calls are PutRecords; Failures those that failed as a whole.
	Calls, Failures uint64
	// Retries are records sent again, Throttles those of them that the stream was too busy for.
	Retries, Throttles uint64
	// Refused are records that Kinesis will never take.
	Refused uint64

	// Waiting is how many records are not answered now, Open how many calls; Shards how many open shards the stream has, zero if not known.
	Waiting, Open, Shards int
	// Broken is why nothing can be written to the stream; nil if it can.
	Broken error
}

func (s *Stats) add(o *Stats) {
	s.Records += o.Records
	s.Bytes += o.Bytes
	s.Calls += o.Calls
	s.Failures += o.Failures
	s.Retries += o.Retries
	s.Throttles += o.Throttles
	s.Refused += o.Refused
}

// stats reads the counters of all streams, sorted by name.
func (s *sink) stats() []Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Stats
	if s.gone != (Stats{}) {
		all = append(all, s.gone)
	}
	for _, st := range s.streams {
		one := st.stats
		one.Waiting, one.Open, one.Broken = st.queued, st.calls, st.broken
		if st.mapped {
			one.Shards = len(st.shards)
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Stats) int { return cmp.Compare(a.Stream, b.Stream) })
	return all
}
