package kinesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/awsclient"
	"github.com/stateway/stateway/internal/kpl"
)

// shard is an open shard of a stream, or (with an empty id) stands for all of them. All of it is guarded by sink.mu.
type shard struct {
	id        string
	low, high kpl.Hash

	ready line // keys to send, in no call

	fails     int // calls in a row in which it took not all
	waitUntil time.Time
	pace      pace
}

// pace is a shard's budget: what it may be sent now. It may be overdrawn by one record.
type pace struct {
	until          time.Time // the shard is paced; zero if it was never throttled
	at             time.Time // as of when the budget is
	records, bytes float64
}

// freeAt is when the shard may be sent something; now or before means now.
func (sh *shard) freeAt(now time.Time, rateLimit int) time.Time {
	p := &sh.pace
	rate := float64(rateLimit) / 100
	if rateLimit == 0 {
		if !now.Before(p.until) {
			return sh.waitUntil
		}
		rate = 1
	}
	full := 0.5 // seconds' worth that may gather
	elapsed := full
	if !p.at.IsZero() {
		elapsed = now.Sub(p.at).Seconds()
	}
	p.at = now
	p.records = min(p.records+elapsed*rate*ShardRecords, full*rate*ShardRecords)
	p.bytes = min(p.bytes+elapsed*rate*ShardBytes, full*rate*ShardBytes)
	missing := max((1-p.records)/(rate*ShardRecords), (1-p.bytes)/(rate*ShardBytes))
	at := now.Add(time.Duration(max(missing, 0)*float64(time.Second)) + time.Nanosecond)
	if missing <= 0 || at.Before(sh.waitUntil) {
		return sh.waitUntil
	}
	return at
}

// spend notes what goes to the shard. What goes to a shard that is not paced is no debt later.
func (sh *shard) spend(size int, now time.Time, rateLimit int) {
	if rateLimit > 0 || now.Before(sh.pace.until) {
		sh.pace.records--
		sh.pace.bytes -= float64(size)
	}
}

// refused makes the shard wait, because it did not take all of a call.
func (sh *shard) refused(now time.Time, throttled bool, pause awsclient.Backoff) {
	sh.fails++
	sh.waitUntil = now.Add(pause.Delay(sh.fails))
	if !throttled {
		return
	}
	if !now.Before(sh.pace.until) {
		sh.pace = pace{at: now} // with an empty budget
	}
	sh.pace.until = now.Add(paceTime)
}

// shardOf finds the shard of a hash key; nil before the first listing.
func (st *stream) shardOf(h kpl.Hash) *shard {
	if len(st.shards) == 0 {
		return nil
	}
	i, found := slices.BinarySearchFunc(st.shards, h, func(sh *shard, h kpl.Hash) int { return sh.low.Compare(h) })
	if !found {
		i = max(i-1, 0)
	}
	return st.shards[i]
}

// stale looks again which shards there are, though not all the time.
func (st *stream) stale(now time.Time) {
	if !now.Before(st.listAt) {
		st.list(now)
	}
}

// list starts to list the shards, unless that is being done.
func (st *stream) list(now time.Time) {
	if st.listing || st.sink.closed {
		return
	}
	st.listing = true
	st.listAt = now.Add(time.Second)
	st.sink.work.Go(func() {
		shards, err := st.sink.listShards(st.name)
		st.sink.mu.Lock()
		st.listing = false
		complain := st.install(shards, err)
		st.pump(time.Now())
		st.sink.mu.Unlock()
		if complain {
			st.sink.opts.Log.Warn("kinesis egress: shards cannot be listed (kinesis:ListShards): "+
				"a throttled shard slows the whole stream, and aggregates hold one key each",
				"egress", st.sink.opts.Name, "stream", st.name, "error", err)
		}
	})
}

// install takes a listing over. After an error one shard stands for all; complain says that this is new.
func (st *stream) install(shards []*shard, err error) (complain bool) {
	if err != nil {
		st.listFails++
		st.listAt = time.Now().Add(awsclient.Backoff{Base: 2 * time.Second, Max: 5 * time.Minute}.Ceiling(st.listFails))
		complain = st.listFails == 1 && !st.sink.closed
		shards = []*shard{{high: kpl.MaxHash}}
	} else {
		st.listFails = 0
	}
	st.mapped = err == nil
	old := st.shards
	st.shards = shards
	st.nextShard = 0
	for _, sh := range old {
		if at := slices.IndexFunc(shards, func(n *shard) bool { return n.id == sh.id }); at >= 0 {
			shards[at].fails, shards[at].waitUntil, shards[at].pace = sh.fails, sh.waitUntil, sh.pace
		}
	}
	for _, sh := range old {
		for sh.ready.len() > 0 { // they keep their order in line
			k := sh.ready.pop()
			k.ready, k.shard = false, st.shardOf(k.hash)
			st.makeReady(k)
		}
	}
	for _, k := range st.keys {
		k.shard = st.shardOf(k.hash)
		st.makeReady(k)
	}
	return complain
}

// listShards asks for the open shards of a stream.
func (s *sink) listShards(stream string) ([]*shard, error) {
	ctx, cancel := context.WithTimeout(s.ctx, listLimit)
	defer cancel()
	in := &kinesis.ListShardsInput{ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest}}
	if isARN(stream) {
		in.StreamARN = aws.String(stream)
	} else {
		in.StreamName = aws.String(stream)
	}
	var shards []*shard
	for {
		out, err := s.opts.Client.ListShards(ctx, in)
		if err != nil {
			return nil, err
		}
		for i := range out.Shards {
			sh, err := openShard(&out.Shards[i])
			if err != nil {
				return nil, err
			}
			if sh != nil {
				shards = append(shards, sh)
			}
		}
		if out.NextToken == nil || *out.NextToken == "" {
			break
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
	if len(shards) == 0 {
		return nil, errors.New("it has no open shard")
	}
	slices.SortFunc(shards, func(a, b *shard) int { return a.low.Compare(b.low) })
	return shards, nil
}

// openShard reads a shard of a listing; nil if it is closed, which some stand-ins for Kinesis list although they are not asked to.
func openShard(in *types.Shard) (*shard, error) {
	if in.SequenceNumberRange != nil && in.SequenceNumberRange.EndingSequenceNumber != nil {
		return nil, nil //nolint:nilnil // as said
	}
	id := aws.ToString(in.ShardId)
	if in.HashKeyRange == nil {
		return nil, fmt.Errorf("shard %s has no range of hash keys", id)
	}
	low, lowErr := kpl.ParseHash(aws.ToString(in.HashKeyRange.StartingHashKey))
	high, highErr := kpl.ParseHash(aws.ToString(in.HashKeyRange.EndingHashKey))
	if err := errors.Join(lowErr, highErr); err != nil {
		return nil, fmt.Errorf("range of shard %s: %w", id, err)
	}
	return &shard{id: id, low: low, high: high}, nil
}
