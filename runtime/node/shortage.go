package node

import (
	"sync"
	"time"
)

const (
	shortTries  = 4           // tellings without any effect until they become rarer
	shortRarest = time.Second // between two tellings
)

// shortage decides how often the workers are told that a partition is short of credit. When that has no effect, as while the only endpoint is down,
// nobody gains by messages being moved to disk as fast as they can be read.
type shortage struct {
	mu       sync.Mutex
	told     time.Time // guarded by mu
	consumed uint64    // messages by then; guarded by mu
	vain     int       // tellings in a row after which nothing was consumed; guarded by mu
}

// tell reports whether the workers are to be told now, when they have consumed so many messages.
func (s *shortage) tell(now time.Time, consumed uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	vain := s.vain
	if consumed != s.consumed {
		vain = 0
	}
	pause := paceEvery
	if vain > shortTries {
		pause = min(paceEvery<<min(vain-shortTries, 10), shortRarest)
	}
	if now.Sub(s.told) < pause {
		return false
	}
	s.told, s.consumed, s.vain = now, consumed, vain+1
	return true
}
