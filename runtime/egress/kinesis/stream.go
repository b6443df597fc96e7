package kinesis

import (
	"slices"
	"time"

	"github.com/stateway/stateway/internal/kpl"
)

// stream is the way to one stream. All of it is guarded by sink.mu.
type stream struct {
	sink *sink  // constant
	name string // constant, as the record names it

	keys    map[kpl.Hash]*keyQueue // those with entries
	spare   []*keyQueue
	queued  int                   // entries, also those in calls
	refused map[kpl.Hash]struct{} // keys of which a record was refused, and none has arrived since; at most maxRefused

	shards    []*shard // by range, ascending; none before the first listing has ended
	nextShard int      // where the next call begins, so that all have their turn
	mapped    bool     // shards are the stream's; otherwise there is one that stands for all
	listing   bool
	listAt    time.Time // not before
	listFails int

	calls    int
	lastCall time.Time // its start
	since    time.Time // when the stream last got something to do

	fails     int       // calls in a row without answer
	waitUntil time.Time // because of them
	toldAt    time.Time // when it was last logged that calls fail
	broken    error     // why the stream cannot be written to; nil if it can
	brokenFor int       // failures in a row
	brokenEnd time.Time // until then records are answered with broken at once

	timer   *time.Timer
	timerAt time.Time // zero: not set

	stats Stats
}

// keyQueue holds the entries of one hash key, oldest first. The first flying of them are in a call; while there are any,
// the queue is in no other call.
type keyQueue struct {
	hash    kpl.Hash
	shard   *shard
	entries []*entry
	flying  int
	ready   bool // it stands in shard.ready
	suspect int  // how many puts a call with it may have, because one with it was refused; zero: no matter
}

const (
	maxSpare   = 1024
	maxRefused = 1000
)

func newStream(s *sink, name string) *stream {
	return &stream{sink: s, name: name, keys: map[kpl.Hash]*keyQueue{}, refused: map[kpl.Hash]struct{}{}, stats: Stats{Stream: name}}
}

// add queues e, or tells why nothing can be written to the stream for now.
func (st *stream) add(e *entry, now time.Time) error {
	if st.broken != nil && now.Before(st.brokenEnd) {
		return st.broken
	}
	k := st.keys[e.hash]
	if k == nil {
		k = st.newKey(e.hash)
	}
	k.entries = append(k.entries, e)
	if st.queued == 0 {
		st.since = now
	}
	st.queued++
	st.makeReady(k)
	return nil
}

func (st *stream) newKey(h kpl.Hash) *keyQueue {
	k := &keyQueue{}
	if n := len(st.spare); n > 0 {
		k, st.spare = st.spare[n-1], st.spare[:n-1]
	}
	k.hash, k.shard = h, st.shardOf(h)
	if _, ok := st.refused[h]; ok {
		k.suspect = 1
	}
	st.keys[h] = k
	return k
}

// makeReady puts k in the line of its shard, if it has anything to send and is in no call.
func (st *stream) makeReady(k *keyQueue) {
	switch {
	case k.ready || k.flying > 0:
	case len(k.entries) == 0:
		delete(st.keys, k.hash)
		if len(st.spare) < maxSpare && cap(k.entries) <= 64 {
			*k = keyQueue{entries: k.entries[:0]}
			st.spare = append(st.spare, k)
		}
	case k.shard != nil: // otherwise the first listing will do it
		k.ready = true
		k.shard.ready.push(k)
	}
}

// landed takes the first n entries of k out of the queue: they are answered.
func (st *stream) landed(k *keyQueue, n int) {
	k.entries = slices.Delete(k.entries, 0, n) // clears what it leaves, too
	st.queued -= n
}

// withdraw takes entries of b out, except from calls.
func (st *stream) withdraw(b *batch) {
	for _, k := range st.keys {
		waiting := k.entries[k.flying:]
		left := slices.DeleteFunc(waiting, func(e *entry) bool { return e.batch == b })
		st.queued -= len(waiting) - len(left)
		k.entries = k.entries[:k.flying+len(left)]
	}
}

// fail answers everything that is in no call with err.
func (st *stream) fail(err error, out *answers) {
	for _, k := range st.keys {
		for _, e := range k.entries[k.flying:] {
			out.add(e, err)
		}
		st.queued -= len(k.entries) - k.flying
		clear(k.entries[k.flying:])
		k.entries = k.entries[:k.flying]
	}
}

// pump starts the calls that should start now, and sets the timer for the others.
func (st *stream) pump(now time.Time) {
	if st.sink.closed {
		return
	}
	if st.shards == nil {
		st.list(now)
		return
	}
	for st.calls < st.sink.opts.Calls {
		if now.Before(st.waitUntil) {
			st.wakeAt(st.waitUntil, now)
			return
		}
		ready, next := st.sendable(now)
		if ready == 0 {
			if !next.IsZero() {
				st.wakeAt(next, now)
			}
			return
		}
		if at := st.startAt(ready); now.Before(at) {
			st.wakeAt(at, now)
			return
		}
		c := st.compose(now)
		if c == nil {
			continue // all that stood in line was withdrawn
		}
		st.calls++
		st.lastCall, st.since = now, now
		st.sink.work.Go(c.run)
	}
}

// sendable counts the queues that may go into a call now. If there are none, next is when there will be; zero if unknown.
func (st *stream) sendable(now time.Time) (ready int, next time.Time) {
	for _, sh := range st.shards {
		n := sh.ready.len()
		if n == 0 {
			continue
		}
		at := sh.freeAt(now, st.sink.opts.RateLimit)
		if !now.Before(at) {
			ready += n
		} else if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return ready, next
}

// startAt is when a call with so many queues should start: at once if it is full or the stream is idle; otherwise it waits for others, but
// not for long. It does not need the timer to wait for the end of a call: that pumps, too.
func (st *stream) startAt(ready int) time.Time {
	switch {
	case ready >= MaxCallRecords:
		return time.Time{}
	case st.calls > 0:
		return st.lastCall.Add(max(joinTime, st.sink.opts.Linger))
	case st.sink.opts.Linger > 0:
		return st.since.Add(st.sink.opts.Linger)
	}
	return time.Time{}
}

// wakeAt makes the stream look again at that time or before.
func (st *stream) wakeAt(at, now time.Time) {
	if !st.timerAt.IsZero() && !at.Before(st.timerAt) {
		return
	}
	st.stopTimer()
	st.timerAt = at
	st.timer = time.AfterFunc(at.Sub(now), func() {
		st.sink.mu.Lock()
		defer st.sink.mu.Unlock()
		if now := time.Now(); !st.timerAt.IsZero() && !now.Before(st.timerAt) {
			st.timerAt = time.Time{}
			st.pump(now)
		}
	})
}

func (st *stream) stopTimer() {
	if st.timer != nil {
		st.timer.Stop()
	}
	st.timerAt = time.Time{}
}

// line is a queue of queues: first in, first out.
type line struct {
	list []*keyQueue
	head int
}

func (l *line) len() int { return len(l.list) - l.head }

func (l *line) push(k *keyQueue) {
	if len(l.list) == cap(l.list) && l.head >= max(len(l.list)/2, 1) {
		n := copy(l.list, l.list[l.head:])
		clear(l.list[n:])
		l.list, l.head = l.list[:n], 0
	}
	l.list = append(l.list, k)
}

func (l *line) pop() *keyQueue {
	k := l.list[l.head]
	l.list[l.head] = nil
	l.head++
	return k
}

// unpop puts k before all others.
func (l *line) unpop(k *keyQueue) {
	if l.head > 0 {
		l.head--
		l.list[l.head] = k
		return
	}
	l.list = slices.Insert(l.list, 0, k)
}
