package kinesis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	smithy "github.com/aws/smithy-go/middleware"

	"github.com/stateway/stateway/internal/awsclient"
)

// The published quotas of GetRecords.
const (
	largestAnswer  = 10 << 20  // bytes; also of a single record
	bytesPerSecond = 2_000_000 // of one shard
)

// poller is the polling of one shard.
type poller struct {
	*reader
	iterator string // empty: one must be asked for
	pace     pace
	failures int // in a row
	expected int64
}

// poll reads by GetRecords.
func (r *reader) poll(ctx context.Context) error {
	p := &poller{reader: r, pace: newPace(r.in.opts), expected: largestAnswer}
	for {
		if err := p.step(ctx); err != nil {
			return err
		}
	}
}

// step makes one call and puts what it brings. Nil means that polling goes on.
func (p *poller) step(ctx context.Context) error {
	if err := p.ready(ctx); err != nil {
		return err
	}
	if !p.pace.wait(ctx) {
		return ctx.Err()
	}
	reserved := p.expected
	if err := p.in.buffers.take(ctx, reserved); err != nil {
		return err
	}
	p.pace.begin()
	var out *kinesis.GetRecordsOutput
	err := p.in.once(ctx, func(ctx context.Context) (err error) {
		out, err = p.in.opts.API.GetRecords(ctx, p.stream.read(p.iterator))
		return err
	})
	if err != nil {
		p.in.buffers.give(reserved)
		return p.failed(ctx, err)
	}
	size := sizeOf(out.Records)
	p.in.buffers.give(reserved - size)
	p.hold(out.Records, size)
	p.failures = 0
	return p.answered(ctx, out, size)
}

// ready sees to it that there is an iterator, and that the history has no gap.
func (p *poller) ready(ctx context.Context) error {
	before := p.pos
	if err := p.intact(ctx); err != nil {
		return err
	}
	if p.iterator != "" && p.pos == before {
		return nil
	}
	iterator, err := p.reader.iterator(ctx, p.pos)
	p.iterator = iterator
	return err
}

// answered puts an answer's records.
func (p *poller) answered(ctx context.Context, out *kinesis.GetRecordsOutput, size int64) error {
	err := p.consume(ctx)
	p.release()
	if errors.Is(err, errDropped) {
		p.iterator = ""
		return nil
	}
	if err != nil {
		return err
	}
	behind := aws.ToInt64(out.MillisBehindLatest)
	p.pace.answered(size - int64(len(out.Records))*recordOverhead)
	p.expect(size, behind)
	if err := p.idle(ctx, p.serverTime(out.ResultMetadata), behind); err != nil {
		return err
	}
	p.iterator = aws.ToString(out.NextShardIterator)
	if out.NextShardIterator == nil {
		return p.ended(ctx, len(out.ChildShards) > 0)
	}
	return nil
}

// expect guesses how much memory the next answer takes: at the tip about what the last one took, since a shard takes in
// 1 MB a second; behind it anything up to the largest.
func (p *poller) expect(size, behind int64) {
	p.expected = largestAnswer
	if behind == 0 {
		p.expected = min(max(2*size, 64<<10), largestAnswer)
	}
}

// failed deals with the error of a call: nil if the next step may do better.
func (p *poller) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var expired *types.ExpiredIteratorException
	var missing *types.ResourceNotFoundException
	class := awsclient.Classify(err)
	switch {
	case class == awsclient.Throttled:
		p.in.reports.throttled(p.stats.id)
		p.pace.throttled()
		return nil
	case errors.As(err, &missing):
		return p.gone(ctx, err)
	case errors.As(err, &expired), class == awsclient.Invalid:
		p.iterator = ""
	case !class.Retry():
		return fmt.Errorf("shard %s: %w", p.name(), p.in.explain(p.stream, "GetRecords", err))
	}
	if p.failures++; p.failures >= tries {
		return fmt.Errorf("shard %s: %d times in a row: %w", p.name(), p.failures, p.in.explain(p.stream, "GetRecords", err))
	}
	if !sleep(ctx, p.in.backoff.Delay(p.failures)) {
		return ctx.Err()
	}
	return nil
}

func (r *reader) serverTime(m smithy.Metadata) time.Time {
	if now, ok := middleware.GetServerTime(m); ok {
		return now
	}
	return r.in.opts.Now()
}

func sizeOf(records []types.Record) int64 {
	size := int64(0)
	for i := range records {
		size += int64(len(records[i].Data)) + recordOverhead
	}
	return size
}

const recordOverhead = 256 // bytes of a record beside its data, about

// pace says when the next GetRecords of a shard is due: within its quotas, and more slowly for a while when other consumers
// use them, too.
type pace struct {
	every    time.Duration // at least
	interval time.Duration // now
	random   func() float64
	began    time.Time
	due      time.Time
	now      func() time.Time
}

const slowestPace = 10 * time.Second

func newPace(o Options) pace {
	return pace{every: o.PollEvery, interval: o.PollEvery, random: o.Random, now: o.Now}
}

func (p *pace) wait(ctx context.Context) bool { return sleep(ctx, p.due.Sub(p.now())) }

func (p *pace) begin() { p.began = p.now() }

// answered: an answer of so many bytes uses up the shard's quota for a while.
func (p *pace) answered(size int64) {
	p.interval = max(p.every, p.interval*9/10)
	used := time.Duration(size) * time.Second / bytesPerSecond
	p.due = p.began.Add(max(p.interval, used))
}

// throttled: twice the interval, and a random part more, so that those who share a shard do not stay in step.
func (p *pace) throttled() {
	p.interval = min(max(2*p.interval, p.every), slowestPace)
	p.due = p.now().Add(p.interval + time.Duration(p.random()*float64(p.interval)))
}
