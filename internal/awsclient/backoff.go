package awsclient

import (
	"math/rand/v2"
	"time"
)

// Backoff says how long to wait before the next try: exponential with full jitter, so that many who failed together do not
// come back together. The zero value waits up to 100 ms after the first failure, and never longer than 20 s.
type Backoff struct {
	// Base is the longest wait after the first failure; it doubles with each further one. Zero means 100 ms.
	Base time.Duration
	// Max bounds the wait. Zero means 20 s.
	Max time.Duration
	// Random gives numbers from 0 to below 1. Nil means the process's random numbers.
	Random func() float64
}

const (
	defaultBackoffBase = 100 * time.Millisecond
	defaultBackoffMax  = 20 * time.Second
)

// Delay is the wait after so many failures in a row, the first being number 1: at least 0, below the limit of Ceiling.
func (b Backoff) Delay(failures int) time.Duration {
	random := b.Random
	if random == nil {
		random = rand.Float64
	}
	return time.Duration(random() * float64(b.Ceiling(failures)))
}

// Ceiling is what Delay stays below after so many failures.
func (b Backoff) Ceiling(failures int) time.Duration {
	limit, longest := b.Base, b.Max
	if limit <= 0 {
		limit = defaultBackoffBase
	}
	if longest <= 0 {
		longest = defaultBackoffMax
	}
	for ; failures > 1 && limit < longest; failures-- {
		limit *= 2
	}
	return min(limit, longest)
}
