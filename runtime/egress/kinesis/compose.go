package kinesis

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/kpl"
)

// call is one PutRecords: made under sink.mu, owned by its goroutine from then on.
type call struct {
	st      *stream
	puts    []put
	takes   []take
	entries []*entry // of all takes, in their order
	bytes   int
	limit   int // puts it may have
}

// put is one record of a call: an entry or an aggregate of several.
type put struct {
	shard   string // where it should arrive; empty if not known
	entries int
	takes   int
}

// take is what a put has of one queue: its first n entries.
type take struct {
	key *keyQueue
	n   int
}

// compose takes what goes into a call now, in turn from each shard that is free. It is nil if there is nothing left to send.
func (st *stream) compose(now time.Time) *call {
	c := &call{st: st, limit: MaxCallRecords}
	open := st.freeShards(now)
	add := c.addOne
	if st.sink.opts.Aggregate {
		add = c.addAggregate
	}
	for i := 0; len(open) > 0 && len(c.puts) < c.limit; {
		i %= len(open)
		sh := open[i]
		if sh.ready.len() == 0 || now.Before(sh.freeAt(now, st.sink.opts.RateLimit)) {
			open = append(open[:i], open[i+1:]...)
			continue
		}
		before := c.bytes
		if !add(sh) {
			break
		}
		sh.spend(c.bytes-before, now, st.sink.opts.RateLimit)
		i++
	}
	if len(c.puts) == 0 {
		return nil
	}
	return c
}

// freeShards lists those with something to send that may be sent to, beginning with another one each time.
func (st *stream) freeShards(now time.Time) []*shard {
	var open []*shard
	for i := range st.shards {
		sh := st.shards[(i+st.nextShard)%len(st.shards)]
		if sh.ready.len() > 0 && !now.Before(sh.freeAt(now, st.sink.opts.RateLimit)) {
			open = append(open, sh)
		}
	}
	st.nextShard = (st.nextShard + 1) % len(st.shards)
	return open
}

// addOne adds the first entry of the next queue. It is false if the call has no room for it.
func (c *call) addOne(sh *shard) bool {
	k := c.st.nextKey(sh)
	if k == nil {
		return true
	}
	if !c.room(k, k.entries[0].size()) {
		sh.putBack(k)
		return false
	}
	c.begin(sh)
	c.take(k, 1)
	return true
}

// addAggregate adds as many entries of as many queues as an aggregate may have. It is false if the call has no room.
func (c *call) addAggregate(sh *shard) bool {
	k := c.st.nextKey(sh)
	if k == nil {
		return true
	}
	limit := c.st.sink.opts.AggregateBytes
	if !c.room(k, max(limit, k.entries[0].size())) {
		sh.putBack(k)
		return false
	}
	c.begin(sh)
	if k.suspect == 1 {
		c.take(k, 1)
		return true
	}
	for size := kpl.Overhead; ; {
		n := 0
		for ; n < len(k.entries); n++ {
			more := packedSize(k.entries[n])
			if size+more > limit && size > kpl.Overhead {
				break
			}
			size += more
		}
		if n == 0 || k.suspect == 1 || k.suspect > 0 && k.suspect < len(c.puts) {
			sh.putBack(k)
			return true
		}
		c.take(k, n)
		if size >= limit || !c.st.mapped { // without shards only entries of one key are sure to have one way
			return true
		}
		if k = c.st.nextKey(sh); k == nil {
			return true
		}
	}
}

// packedSize is at least what an entry adds to an aggregate.
func packedSize(e *entry) int { return e.size() + len(e.explicit) + packedOverhead }

const packedOverhead = 32

// room reports whether a put of that size, with entries of k, may come into the call. A record larger than what every stream takes goes
// alone: a stream that does not take it refuses its whole call.
func (c *call) room(k *keyQueue, size int) bool {
	if len(c.puts) == 0 {
		return true
	}
	if k.suspect > 0 && k.suspect <= len(c.puts) {
		return false
	}
	large := len(c.puts) == 1 && c.bytes > DefaultRecordBytes
	return !large && size <= DefaultRecordBytes && c.bytes+size <= MaxCallBytes
}

// begin begins a put that should arrive in sh.
func (c *call) begin(sh *shard) {
	c.puts = append(c.puts, put{shard: sh.id})
	if c.st.sink.opts.Aggregate {
		c.bytes += 2 * packedOverhead
	}
}

// take marks the first n entries of k as being in the newest put.
func (c *call) take(k *keyQueue, n int) {
	k.flying = n
	if k.suspect > 0 {
		c.limit = min(c.limit, k.suspect)
	}
	c.takes = append(c.takes, take{k, n})
	p := &c.puts[len(c.puts)-1]
	p.takes++
	p.entries += n
	for _, e := range k.entries[:n] {
		c.bytes += e.size()
		if p.entries > 1 {
			c.bytes += packedOverhead
		}
	}
	c.entries = append(c.entries, k.entries[:n]...)
}

// nextKey takes the next queue with entries out of line.
func (st *stream) nextKey(sh *shard) *keyQueue {
	for sh.ready.len() > 0 {
		k := sh.ready.pop()
		k.ready = false
		if len(k.entries) > 0 {
			return k
		}
		st.makeReady(k) // forgets it
	}
	return nil
}

// putBack returns what nextKey has taken.
func (sh *shard) putBack(k *keyQueue) {
	k.ready = true
	sh.ready.unpop(k)
}

// records makes the request.
func (c *call) records() []types.PutRecordsRequestEntry {
	out := make([]types.PutRecordsRequestEntry, len(c.puts))
	var a kpl.Aggregator
	entries := c.entries
	for i, p := range c.puts {
		first := entries[0]
		out[i].PartitionKey = &first.key
		if p.entries == 1 {
			out[i].Data = first.data
			if first.explicit != "" {
				out[i].ExplicitHashKey = &first.explicit
			}
		} else {
			a.Reset()
			for _, e := range entries[:p.entries] {
				a.Add(e.key, e.explicit, e.data)
			}
			hash := first.hash.String()
			out[i].Data, out[i].ExplicitHashKey = a.AppendTo(make([]byte, 0, a.Size())), &hash
		}
		entries = entries[p.entries:]
	}
	return out
}
