package kinesis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/awsclient"
	"github.com/stateway/stateway/runtime/ingress"
)

const (
	// silence is how long a subscription may bring nothing: Kinesis sends an event every few seconds, with or without records.
	silence = 35 * time.Second
	// takeover is the backoff after ResourceInUse: a subscription can be replaced once it is 5 seconds old.
	takeover = 5 * time.Second
	// subscribeTries is how many subscriptions may fail in a row before the error is handed on.
	subscribeTries = 10
	// contestedAfter is how often within contestedFor another subscription must have the shard until two readers are thought to share
	// the consumer. A node that takes a shard over from another meets that once or twice.
	contestedAfter = 10
	contestedFor   = 5 * time.Minute
)

// subscriber is the enhanced fan-out of one shard.
type subscriber struct {
	*reader
	arn      string // of the consumer
	after    string // sequence number to go on after, if all before it was put; else the position counts
	failures int    // in a row
	worked   bool   // an event came

	taken     []time.Time // when another subscription had the shard, within contestedFor
	contested bool        // and that was said
}

// fanOut reads by SubscribeToShard, one subscription after the other.
func (r *reader) fanOut(ctx context.Context) error {
	s := &subscriber{reader: r}
	for {
		if err := s.step(ctx); err != nil {
			return err
		}
	}
}

// step makes one subscription and takes its events. Nil means that another one follows.
func (s *subscriber) step(ctx context.Context) error {
	before := s.pos
	if err := s.intact(ctx); err != nil {
		return err
	}
	if s.pos != before {
		s.after = ""
	}
	var err error
	if s.arn, err = s.stream.consumer.ready(ctx, s.in, s.stream); err != nil {
		return err
	}
	err = s.subscribe(ctx)
	var failed *subscriptionError
	if !errors.As(err, &failed) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.failed(ctx, failed.err)
}

// subscriptionError is an error of a subscription, as opposed to one of its records.
type subscriptionError struct{ err error }

func (e *subscriptionError) Error() string { return e.err.Error() }

// subscribe takes the events of one subscription, which ends after five minutes.
func (s *subscriber) subscribe(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	start := startingPosition(s.pos)
	if s.after != "" {
		start = &types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: aws.String(s.after)}
	}
	late := time.AfterFunc(s.in.opts.CallTimeout, cancel)
	sub, err := s.in.opts.API.Subscribe(ctx, &kinesis.SubscribeToShardInput{
		ConsumerARN: aws.String(s.arn), ShardId: aws.String(s.shard), StartingPosition: start,
	})
	if err == nil {
		defer func() { _ = sub.Close() }() // What it says is known, or not wanted.
	}
	if !late.Stop() {
		err = fmt.Errorf("no answer within %s: %w", s.in.opts.CallTimeout, context.DeadlineExceeded)
	}
	if err != nil {
		return &subscriptionError{err}
	}
	return s.events(ctx, sub)
}

// events takes events until there are no more: nil if the subscription's time is over.
func (s *subscriber) events(ctx context.Context, sub kinesis.SubscribeToShardEventStreamReader) error {
	quiet := time.NewTimer(silence)
	defer quiet.Stop()
	for any := false; ; any = true {
		// While others have used up the memory nothing is taken, which slows Kinesis down. What is on its way is one event a shard.
		if err := s.in.buffers.take(ctx, 0); err != nil {
			return err
		}
		quiet.Reset(silence)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-quiet.C:
			return &subscriptionError{fmt.Errorf("no event within %s: %w", silence, context.DeadlineExceeded)}
		case event, ok := <-sub.Events():
			if !ok {
				return over(sub.Err(), any)
			}
			err := s.event(ctx, event)
			if errors.Is(err, errDropped) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
}

// over is what the end of a subscription means: nil if its time is over.
func over(err error, any bool) error {
	switch {
	case err != nil:
		return &subscriptionError{err}
	case !any:
		return &subscriptionError{fmt.Errorf("it ended without an event: %w", io.ErrUnexpectedEOF)}
	}
	return nil
}

// event takes one event.
func (s *subscriber) event(ctx context.Context, event types.SubscribeToShardEventStream) error {
	e, ok := event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent)
	if !ok {
		return nil // Of a kind that a later version of the service sends.
	}
	size := sizeOf(e.Value.Records)
	s.in.buffers.give(-size)
	s.hold(e.Value.Records, size)
	err := s.consume(ctx)
	s.release()
	if err != nil {
		s.after = ""
		return err
	}
	s.failures, s.worked = 0, true
	s.uncontested()
	s.after = aws.ToString(e.Value.ContinuationSequenceNumber)
	if err := s.idle(ctx, s.in.opts.Now(), aws.ToInt64(e.Value.MillisBehindLatest)); err != nil {
		return err
	}
	if s.after == "" {
		return s.ended(ctx, len(e.Value.ChildShards) > 0)
	}
	return nil
}

// failed deals with the error of a subscription: nil if the next one may do better.
func (s *subscriber) failed(ctx context.Context, err error) error {
	var missing *types.ResourceNotFoundException
	var taken *types.ResourceInUseException
	class := awsclient.Classify(err)
	pause := s.in.backoff
	s.failures++
	switch {
	case errors.As(err, &missing):
		if s.failures > 1 { // The first time it may be the consumer.
			return s.gone(ctx, err)
		}
		s.stream.consumer.forget(s.arn)
	case errors.As(err, &taken):
		pause.Base = takeover
		s.outsubscribed()
	case class == awsclient.Throttled:
		s.in.reports.throttled(s.stats.id)
		pause.Base = time.Second // Subscribing is possible five times a second for a consumer.
	case class == awsclient.Invalid && s.after != "":
		s.after = ""
	case s.in.opts.Mode == Auto && !s.worked && (class == awsclient.Denied || class == awsclient.Unknown):
		return s.stream.consumer.refuse(s.in.explain(s.stream, "SubscribeToShard", err))
	case !class.Retry():
		return s.refused(ctx, s.in.explain(s.stream, "SubscribeToShard", err))
	}
	if s.failures >= subscribeTries {
		return fmt.Errorf("shard %s: %d subscriptions failed in a row: %w", s.name(), s.failures, s.in.explain(s.stream, "SubscribeToShard", err))
	}
	if !sleep(ctx, pause.Delay(s.failures)) {
		return ctx.Err()
	}
	return nil
}

// outsubscribed notes that another subscription of the consumer has the shard. When that goes on, two readers take it from each other: it is read, in
// turns and slowly, and only an operator can end it.
func (s *subscriber) outsubscribed() {
	now := s.in.opts.Now()
	s.forget(now)
	s.taken = append(s.taken, now)
	if len(s.taken) < contestedAfter {
		return
	}
	s.contested = true
	name := s.in.opts.ConsumerName
	s.stats.set(ingress.PartitionReading, fmt.Sprintf("another reader subscribes as consumer %s, too: give each application a consumerName of its own", name))
	if !s.stream.consumer.complain(now) {
		return
	}
	s.in.opts.Log.Error("kinesis ingress: another reader takes the subscriptions of this consumer again and again, which slows both down; give each application, also a fork or a second deployment"+
		" under the same --application, a consumerName of its own, or set mode: polling",
		"stream", s.stream.name, "consumer", name, "arn", s.arn, "shard", s.shard, "times", len(s.taken), "within", contestedFor)
}

// uncontested takes back what outsubscribed said, once it has not happened for a while.
func (s *subscriber) uncontested() {
	s.forget(s.in.opts.Now())
	if s.contested && len(s.taken) == 0 {
		s.contested = false
		s.stats.set(ingress.PartitionReading, "")
	}
}

// forget drops what was noted too long ago.
func (s *subscriber) forget(now time.Time) {
	s.taken = slices.DeleteFunc(s.taken, func(t time.Time) bool { return now.Sub(t) >= contestedFor })
}
