package kinesis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/ingress/kinesis/lineage"
)

// probes is how many answers without records a look at the oldest record goes through.
const probes = 20

// intact checks that nothing between the position and the newest record is gone. Kinesis does not say: an iterator at a
// record that expired begins at the oldest one there is. So, when the time until which everything is read is longer ago
// than the stream keeps records, the record of the position is read again. If it is there, so is all that came later.
// If not, or if the position names none, records may be lost.
func (r *reader) intact(ctx context.Context) error {
	seen := max(r.pos.Seen, r.seen)
	now := r.in.opts.Now()
	if seen == 0 || now.Sub(time.UnixMilli(seen)) < leastRetention {
		return nil
	}
	if now.Sub(time.UnixMilli(seen)) < r.stream.retention(ctx, r.in) {
		return nil
	}
	oldest, err := r.oldest(ctx)
	if err != nil {
		return err
	}
	known := r.pos.Kind == lineage.After || r.pos.Kind == lineage.Within
	if oldest != nil && known && aws.ToString(oldest.SequenceNumber) == r.pos.Sequence {
		return nil
	}
	if oldest != nil && oldest.ApproximateArrivalTimestamp != nil {
		return r.lost(ctx, *oldest.ApproximateArrivalTimestamp)
	}
	return r.lost(ctx, now.Add(-r.stream.retention(ctx, r.in)))
}

// oldest reads the record of the position, or the oldest one after it: nil if there is none.
func (r *reader) oldest(ctx context.Context) (*types.Record, error) {
	at := r.pos
	switch at.Kind {
	case lineage.After, lineage.Within:
		at.Kind = lineage.Within
	case lineage.Horizon, lineage.AtTime:
		at.Kind = lineage.Horizon
	}
	iterator, err := r.iterator(ctx, at)
	if err != nil {
		return nil, err
	}
	for range probes {
		in := r.stream.read(iterator)
		in.Limit = aws.Int32(1)
		var out *kinesis.GetRecordsOutput
		err := r.in.try(ctx, r.stream, r.shard, "GetRecords", func(ctx context.Context) (err error) {
			out, err = r.in.opts.API.GetRecords(ctx, in)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("shard %s: see what is left of its history: %w", r.name(), err)
		}
		if len(out.Records) > 0 {
			return &out.Records[0], nil
		}
		if out.NextShardIterator == nil || aws.ToInt64(out.MillisBehindLatest) == 0 {
			return nil, nil
		}
		iterator = *out.NextShardIterator
		if !sleep(ctx, r.in.opts.PollEvery) {
			return nil, ctx.Err()
		}
	}
	return nil, nil
}

// lost stops at a gap in the history, or goes on behind it if the options accept that. oldest is when the first record behind
// it arrived.
func (r *reader) lost(ctx context.Context, oldest time.Time) error {
	seen := time.UnixMilli(max(r.pos.Seen, r.seen)).UTC()
	oldest = oldest.UTC()
	if r.in.opts.OnTruncation == Fail {
		return fmt.Errorf("shard %s: %w: reading goes on %s, but what arrived from %s to %s (%s) is gone, because the stream keeps no more;"+
			" set onTruncation: earliest to accept that it is lost and go on with the oldest record",
			r.name(), ingress.ErrTruncated, r.pos, seen.Format(time.RFC3339), oldest.Format(time.RFC3339), gap(seen, oldest))
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	r.in.opts.Log.Error("kinesis ingress: records are lost, because the stream keeps no more; reading goes on with the oldest, as onTruncation says",
		"stream", r.stream.name, "shard", r.shard, "from", seen, "to", oldest, "lost", gap(seen, oldest))
	r.pos = lineage.Position{Kind: lineage.Horizon, Origin: r.pos.Origin}
	r.seen = 0
	return nil
}

func gap(from, to time.Time) time.Duration { return max(to.Sub(from), 0).Round(time.Second) }

// iterator asks for an iterator at a position.
func (r *reader) iterator(ctx context.Context, at lineage.Position) (string, error) {
	in := &kinesis.GetShardIteratorInput{ShardId: aws.String(r.shard)}
	in.StreamName, in.StreamARN = r.stream.ref()
	start := startingPosition(at)
	in.ShardIteratorType, in.StartingSequenceNumber, in.Timestamp = start.Type, start.SequenceNumber, start.Timestamp
	var out *kinesis.GetShardIteratorOutput
	err := r.in.try(ctx, r.stream, r.shard, "GetShardIterator", func(ctx context.Context) (err error) {
		out, err = r.in.opts.API.GetShardIterator(ctx, in)
		return err
	})
	if err != nil {
		return "", r.refused(ctx, err)
	}
	if aws.ToString(out.ShardIterator) == "" {
		return "", fmt.Errorf("shard %s: Kinesis gave no iterator %s", r.name(), at)
	}
	return *out.ShardIterator, nil
}

// startingPosition is a position in the terms of Kinesis.
func startingPosition(at lineage.Position) *types.StartingPosition {
	switch at.Kind {
	case lineage.AtTime:
		return &types.StartingPosition{Type: types.ShardIteratorTypeAtTimestamp, Timestamp: aws.Time(time.UnixMilli(at.Time))}
	case lineage.After:
		return &types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: aws.String(at.Sequence)}
	case lineage.Within:
		return &types.StartingPosition{Type: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: aws.String(at.Sequence)}
	case lineage.Horizon:
	}
	return &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
}

// refused says what it means that Kinesis does not know the shard, or not the position.
func (r *reader) refused(ctx context.Context, err error) error {
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		return r.gone(ctx, err)
	}
	var invalid *types.InvalidArgumentException
	if errors.As(err, &invalid) && (r.pos.Kind == lineage.After || r.pos.Kind == lineage.Within) {
		return fmt.Errorf("shard %s: %w: Kinesis knows no record %s there: if the stream was deleted and made anew, give the ingress another id, which begins at its startup position: %w",
			r.name(), ingress.ErrHeld, r.pos.Sequence, err)
	}
	return fmt.Errorf("shard %s: begin at %s: %w", r.name(), r.pos, err)
}

// gone deals with a shard that Kinesis does not find: it expired, if the stream is there and lists it no more.
func (r *reader) gone(ctx context.Context, cause error) error {
	shards, _, err := r.stream.list(ctx, r.in)
	if err != nil {
		return fmt.Errorf("shard %s: %w", r.name(), err)
	}
	for _, s := range shards {
		if s.ID == r.shard {
			return fmt.Errorf("shard %s: %w", r.name(), cause)
		}
	}
	seen := time.UnixMilli(max(r.pos.Seen, r.seen)).UTC()
	if r.in.opts.OnTruncation == Fail {
		return fmt.Errorf("shard %s: %w: the shard was read until %s (%s) and is gone with what arrived later, because the stream keeps no more;"+
			" set onTruncation: earliest to accept that it is lost and go on with its children",
			r.name(), ingress.ErrTruncated, seen.Format(time.RFC3339), r.pos)
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	r.in.opts.Log.Error("kinesis ingress: a shard is gone with what was still to be read, because the stream keeps no more; its children follow, as onTruncation says",
		"stream", r.stream.name, "shard", r.shard, "from", seen)
	return fmt.Errorf("shard %s is gone: %w", r.name(), ingress.ErrEnded)
}
