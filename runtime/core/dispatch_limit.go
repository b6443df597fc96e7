package core

import "math/bits"

const (
	minRound    = 32             // answers that make a round, at least
	latencyLow  = 8              // below so many tries, latency alone does not lower the limit
	baseExpires = Millis(60_000) // then the latency of an endpoint without queue is measured anew
)

// limiter adapts how many tries may be under way to the latency of the endpoint: up while it holds, down when it grows
// with the number of tries. It looks at the median of each round of answers, so that a few slow functions among fast
// ones do not count.
type limiter struct {
	current   int
	max       int
	threshold int  // below it, every success raises the limit
	saturated bool // the limit held something back in this round

	base      Millis // median of a round while the endpoint had no queue; -1 while it is not known
	baseAt    Millis
	before    int    // the limit to come back to while base is measured with half of it; otherwise zero
	since     Millis // tries sent before do not count for the measure
	answers   int    // of this round
	items     int    // that they were of: more than answers where several travel together
	baseItems int    // items of an answer, in percent, when base was measured
	troubles  int    // tries struck for the first time in this round
	latencies [latencyBuckets]uint32
}

func newLimiter(poolSize int) limiter {
	return limiter{current: min(startLimit, poolSize), max: poolSize, base: -1}
}

// restart begins again with a few tries after a trouble, and aims at half of what there was before.
func (l *limiter) restart(few int) {
	l.threshold = max(l.threshold, l.current/2, l.before/2)
	l.current, l.before = min(few, l.max), 0
	l.newRound()
}

func (l *limiter) newRound() {
	l.answers, l.items, l.troubles, l.saturated = 0, 0, 0, false
	l.latencies = [latencyBuckets]uint32{}
}

// raise lets more tries out, whatever the latency.
func (l *limiter) raise() {
	l.current = min(l.current+max(l.current/4, 1), l.max)
}

// trouble takes note of a try that was struck for the first time: several in a round mean overload or throttling.
func (l *limiter) trouble() {
	if l.troubles++; l.troubles < max(2, l.current/16) {
		return
	}
	l.current = max(l.current*7/10, 1)
	l.threshold, l.before = 0, 0
	l.newRound()
}

// sample takes a success of a try that was sent at a time.
func (l *limiter) sample(now, sent Millis) { l.sampleOf(now, sent, 1) }

// sampleOf takes a success of so many items that were sent together.
func (l *limiter) sampleOf(now, sent Millis, items int) {
	if l.before > 0 && sent <= l.since {
		return
	}
	l.latencies[latencyBucket(now-sent)]++
	l.answers++
	l.items += items
	if l.current < l.threshold {
		l.current = min(l.current+1, l.max)
	} else {
		l.threshold = 0
	}
	if l.answers >= max(minRound, l.current) {
		l.endRound(now)
	}
}

func (l *limiter) endRound(now Millis) {
	median := l.median()
	if l.before > 0 {
		l.base, l.current, l.before = -1, l.before, 0
	}
	percent := 100 * l.items / l.answers
	if l.base < 0 || median <= l.base || 2*percent > 3*l.baseItems || 3*percent < 2*l.baseItems { // larger groups take longer
		l.base, l.baseAt, l.baseItems = median, now, percent
	}
	switch {
	case median > 2*l.base+2 && l.current <= latencyLow:
		l.base, l.baseAt = median, now // it is slow without a crowd, too
	case median > 2*l.base+2:
		l.current = max(l.current*8/10, min(latencyLow, l.max))
	case l.saturated && now-l.baseAt > baseExpires:
		l.before, l.since = l.current, now
		l.current = max(l.current/2, 1)
	case l.saturated && median <= l.base+l.base/2+1:
		l.current = min(l.current+max(l.current/8, 1), l.max)
	}
	l.newRound()
}

func (l *limiter) median() Millis {
	left := l.answers / 2
	for i, n := range l.latencies {
		if left -= int(n); left < 0 {
			return bucketLatency(i)
		}
	}
	return 0
}

// Latencies below 16 ms have a bucket each, above there are four to a doubling, up to more than an hour.
const latencyBuckets = 16 + 4*20

func latencyBucket(m Millis) int {
	if m < 16 {
		return int(max(m, 0))
	}
	octave := bits.Len64(uint64(m)) - 5
	return min(16+4*octave+int(m>>(octave+2)&3), latencyBuckets-1)
}

// bucketLatency is the lowest latency of a bucket.
func bucketLatency(i int) Millis {
	if i < 16 {
		return Millis(i)
	}
	octave := (i - 16) / 4
	return Millis(4+(i-16)%4) << (octave + 2)
}
