package discard

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Each power of two of nanoseconds is cut into 64 steps, so that a bucket is at most 1.6% wide.
const (
	stepBits = 6
	steps    = 1 << stepBits
	// Ages up to 2^41 ns, 36 minutes, are told apart; older ones share the last bucket.
	maxBits = 41
	buckets = (maxBits - stepBits + 1) * steps
)

// histogram counts ages. It is written by one goroutine and read by any.
type histogram struct {
	counts [buckets]atomic.Uint64
	sum    atomic.Int64
	max    atomic.Int64
}

// add counts one age in nanoseconds; one from the future counts as zero.
func (h *histogram) add(ns int64) {
	ns = max(ns, 0)
	h.counts[bucket(ns)].Add(1)
	h.sum.Add(ns)
	if ns > h.max.Load() {
		h.max.Store(ns)
	}
}

func bucket(ns int64) int {
	shift := bits.Len64(uint64(ns)) - stepBits - 1 //nolint:gosec // not negative
	if shift <= 0 {
		return int(ns) // below 2*steps each value has a bucket
	}
	return min(shift*steps+int(ns>>shift), buckets-1)
}

// upper is the largest age that falls into bucket b.
func upper(b int) int64 {
	if b < 2*steps {
		return int64(b)
	}
	shift := b/steps - 1
	return (int64(b%steps+steps)+1)<<shift - 1
}

// Ages is a distribution of ages.
type Ages struct {
	Count uint64
	Sum   time.Duration
	Max   time.Duration

	counts []uint64
}

func (a *Ages) merge(h *histogram) {
	if a.counts == nil {
		a.counts = make([]uint64, buckets)
	}
	for i := range h.counts {
		n := h.counts[i].Load()
		a.counts[i] += n
		a.Count += n
	}
	a.Sum += time.Duration(h.sum.Load())
	a.Max = max(a.Max, time.Duration(h.max.Load()))
}

// Since is what a counts and earlier, a snapshot of the same egress, does not. Max stays a's.
func (a Ages) Since(earlier Ages) Ages {
	d := Ages{Count: a.Count - earlier.Count, Sum: a.Sum - earlier.Sum, Max: a.Max, counts: make([]uint64, len(a.counts))}
	copy(d.counts, a.counts)
	for i, n := range earlier.counts {
		d.counts[i] -= n
	}
	return d
}

// Mean is the average age; zero if there are none.
func (a Ages) Mean() time.Duration {
	if a.Count == 0 {
		return 0
	}
	return a.Sum / time.Duration(a.Count) //nolint:gosec // a count of records
}

// Quantile is the age that the share q of all (0 to 1) does not pass, at most 1.6% too high; zero if
// there are none.
func (a Ages) Quantile(q float64) time.Duration {
	rank := uint64(q*float64(a.Count) + 0.5)
	rank = min(max(rank, 1), a.Count)
	var seen uint64
	for i, n := range a.counts {
		if seen += n; seen >= rank && n > 0 {
			if i == len(a.counts)-1 {
				return a.Max
			}
			return min(time.Duration(upper(i)), a.Max)
		}
	}
	return 0
}

// Each calls f for every bucket that is not empty, from young to old, with the largest age in it.
func (a Ages) Each(f func(upTo time.Duration, count uint64)) {
	for i, n := range a.counts {
		if n > 0 {
			f(time.Duration(upper(i)), n)
		}
	}
}
