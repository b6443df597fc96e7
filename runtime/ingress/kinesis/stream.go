package kinesis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/kpl"
	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/ingress/kinesis/lineage"
)

const (
	leastRetention = 24 * time.Hour // what every stream keeps
	retentionFor   = time.Hour      // until the retention is asked for again
	maxShards      = 1 << 17        // of a stream, beyond which its list is not believed
)

// stream is one stream of the ingress.
type stream struct {
	name   string
	arn    string // empty unless given
	conf   Stream
	router *router

	mu       sync.Mutex
	ranges   map[string]hashRange // guarded by mu: of the shards listed last
	first    []ingress.Partition  // guarded by mu: the answer of the first start, if it was given here
	trouble  string               // guarded by mu: the last error of listing, as logged
	keeps    time.Duration        // guarded by mu: the retention; zero if not asked for yet
	asked    time.Time            // guarded by mu: when the retention was asked for
	foundARN string               // guarded by mu: of a stream given by name

	consumer consumer
}

// hashRange is what a shard takes of all hashes.
type hashRange struct{ low, high kpl.Hash }

func newStream(o Options, s Stream) (*stream, error) {
	name, arn, _, err := s.resolve()
	if err != nil {
		return nil, err
	}
	st := &stream{name: name, arn: arn, conf: s, foundARN: arn}
	st.router, err = newRouter(s)
	return st, err
}

// ref names the stream in a call, by ARN if it was given so.
func (st *stream) ref() (name, arn *string) {
	if st.arn != "" {
		return nil, aws.String(st.arn)
	}
	return aws.String(st.name), nil
}

// read is a GetRecords. Another account's stream needs its ARN there, too.
func (st *stream) read(iterator string) *kinesis.GetRecordsInput {
	in := &kinesis.GetRecordsInput{ShardIterator: aws.String(iterator)}
	if st.arn != "" {
		in.StreamARN = aws.String(st.arn)
	}
	return in
}

// list lists all shards of the stream, and the time then by Kinesis' clock.
func (st *stream) list(ctx context.Context, g *Ingress) ([]lineage.Shard, time.Time, error) {
	var shards []lineage.Shard
	ranges := map[string]hashRange{}
	now, err := st.pages(ctx, g, nil, func(s types.Shard) error {
		low, high, err := rangeOf(s.HashKeyRange)
		if err != nil {
			return fmt.Errorf("shard %s: %w", aws.ToString(s.ShardId), err)
		}
		id := aws.ToString(s.ShardId)
		ranges[id] = hashRange{low, high}
		open := s.SequenceNumberRange == nil || s.SequenceNumberRange.EndingSequenceNumber == nil
		shards = append(shards, lineage.Shard{
			ID: id, Parent: aws.ToString(s.ParentShardId), Adjacent: aws.ToString(s.AdjacentParentShardId), Open: open,
		})
		return nil
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	st.mu.Lock()
	st.ranges = ranges
	st.mu.Unlock()
	return shards, now, nil
}

func rangeOf(r *types.HashKeyRange) (low, high kpl.Hash, err error) {
	if r == nil {
		return low, high, fmt.Errorf("it has no range of hashes")
	}
	if low, err = kpl.ParseHash(aws.ToString(r.StartingHashKey)); err != nil {
		return low, high, err
	}
	high, err = kpl.ParseHash(aws.ToString(r.EndingHashKey))
	return low, high, err
}

// openAt names the shards that were open at a time. A service that ignores the filter names all.
func (st *stream) openAt(ctx context.Context, g *Ingress, at time.Time) ([]string, error) {
	var ids []string
	filter := &types.ShardFilter{Type: types.ShardFilterTypeAtTimestamp, Timestamp: aws.Time(at)}
	_, err := st.pages(ctx, g, filter, func(s types.Shard) error {
		ids = append(ids, aws.ToString(s.ShardId))
		return nil
	})
	return ids, err
}

// pages lists shards and calls each for those of one whole list. A list whose token expired, or whose stream was busy for a
// moment, is begun anew; its pages are not mixed with those of another.
func (st *stream) pages(ctx context.Context, g *Ingress, filter *types.ShardFilter, each func(types.Shard) error) (time.Time, error) {
	for n := 1; ; n++ {
		all, now, err := st.allPages(ctx, g, filter)
		var expired *types.ExpiredNextTokenException
		var busy *types.ResourceInUseException
		anew := errors.As(err, &expired) || errors.As(err, &busy)
		switch {
		case anew && n < tries:
			if !sleep(ctx, g.backoff.Delay(n)) {
				return time.Time{}, ctx.Err()
			}
			continue
		case err != nil:
			return time.Time{}, err
		}
		for _, s := range all {
			if err := each(s); err != nil {
				return time.Time{}, err
			}
		}
		return now, nil
	}
}

// allPages lists shards page by page. A page that is throttled or lost is asked for again a few times.
func (st *stream) allPages(ctx context.Context, g *Ingress, filter *types.ShardFilter) (all []types.Shard, now time.Time, err error) {
	in := &kinesis.ListShardsInput{ShardFilter: filter}
	in.StreamName, in.StreamARN = st.ref()
	for {
		var out *kinesis.ListShardsOutput
		err := g.try(ctx, st, "", "ListShards", func(ctx context.Context) (err error) {
			out, err = g.opts.API.ListShards(ctx, in)
			return err
		})
		if err != nil {
			return nil, time.Time{}, err
		}
		all = append(all, out.Shards...)
		if len(all) > maxShards {
			return nil, time.Time{}, fmt.Errorf("it lists more than %d shards", maxShards)
		}
		if aws.ToString(out.NextToken) != "" {
			in = &kinesis.ListShardsInput{NextToken: out.NextToken}
			continue
		}
		if now, ok := middleware.GetServerTime(out.ResultMetadata); ok {
			return all, now, nil
		}
		return all, g.opts.Now(), nil
	}
}

// hashes is the range of a shard, which is listed unless it was not there when the stream was listed last.
func (st *stream) hashes(ctx context.Context, g *Ingress, shard string) (hashRange, bool, error) {
	for listed := false; ; listed = true {
		st.mu.Lock()
		r, ok := st.ranges[shard]
		st.mu.Unlock()
		if ok || listed {
			return r, ok, nil
		}
		if _, _, err := st.list(ctx, g); err != nil {
			return r, false, fmt.Errorf("list the shards of stream %s: %w", st.name, err)
		}
	}
}

// retention is how long the stream keeps records. If it cannot be asked, that is the least that every stream keeps.
func (st *stream) retention(ctx context.Context, g *Ingress) time.Duration {
	now := g.opts.Now()
	st.mu.Lock()
	keeps, fresh := st.keeps, now.Sub(st.asked) < retentionFor
	st.mu.Unlock()
	if keeps > 0 && fresh {
		return keeps
	}
	d, err := st.describe(ctx, g)
	keeps = max(keeps, leastRetention)
	if err == nil && d.RetentionPeriodHours != nil {
		keeps = max(time.Duration(*d.RetentionPeriodHours)*time.Hour, time.Hour)
	} else {
		g.opts.Log.Debug("kinesis ingress: the stream's retention cannot be asked", "stream", st.name, "assumed", keeps, "error", err)
	}
	st.mu.Lock()
	st.keeps, st.asked = keeps, now
	st.mu.Unlock()
	return keeps
}

func (st *stream) describe(ctx context.Context, g *Ingress) (*types.StreamDescriptionSummary, error) {
	in := &kinesis.DescribeStreamSummaryInput{}
	in.StreamName, in.StreamARN = st.ref()
	var out *kinesis.DescribeStreamSummaryOutput
	err := g.try(ctx, st, "", "DescribeStreamSummary", func(ctx context.Context) (err error) {
		out, err = g.opts.API.DescribeStreamSummary(ctx, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	if out.StreamDescriptionSummary == nil {
		return nil, fmt.Errorf("describe stream %s: the answer is empty", st.name)
	}
	return out.StreamDescriptionSummary, nil
}

// resourceName is the stream's ARN, asked for once if only its name was given.
func (st *stream) resourceName(ctx context.Context, g *Ingress) (string, error) {
	st.mu.Lock()
	arn := st.foundARN
	st.mu.Unlock()
	if arn != "" {
		return arn, nil
	}
	d, err := st.describe(ctx, g)
	if err != nil {
		return "", err
	}
	arn = aws.ToString(d.StreamARN)
	st.mu.Lock()
	st.foundARN = arn
	st.mu.Unlock()
	return arn, nil
}
