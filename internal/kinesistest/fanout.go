package kinesistest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const (
	consumerCreation = 2 * time.Second // until a consumer is active
	supersedeAfter   = 5 * time.Second // how old a subscription must be to be replaced
	heartbeatEvery   = 5 * time.Second
	maxEventRecords  = 1000
)

type consumer struct {
	name, arn string
	stream    *stream
	created   time.Time
	shards    map[string]*Subscription
}

func (c *consumer) describe(now time.Time) *types.ConsumerDescription {
	status := types.ConsumerStatusCreating
	if now.Sub(c.created) >= consumerCreation {
		status = types.ConsumerStatusActive
	}
	return &types.ConsumerDescription{
		ConsumerARN: aws.String(c.arn), ConsumerName: aws.String(c.name), ConsumerStatus: status,
		ConsumerCreationTimestamp: aws.Time(c.created), StreamARN: aws.String(ARN(c.stream.name)),
	}
}

// RegisterStreamConsumer registers a consumer, which is active two seconds later.
func (s *Service) RegisterStreamConsumer(ctx context.Context, in *kinesis.RegisterStreamConsumerInput, _ ...func(*kinesis.Options)) (*kinesis.RegisterStreamConsumerOutput, error) {
	return call(ctx, s, "RegisterStreamConsumer", in, func() (*kinesis.RegisterStreamConsumerOutput, error) {
		st, err := s.find(nil, in.StreamARN)
		if err != nil {
			return nil, err
		}
		name := aws.ToString(in.ConsumerName)
		if st.consumers[name] != nil {
			return nil, &types.ResourceInUseException{Message: aws.String("Consumer " + name + " already exists.")}
		}
		if len(st.consumers) >= s.opts.MaxConsumers {
			return nil, &types.LimitExceededException{Message: aws.String("Consumer limit exceeded.")}
		}
		now := s.opts.Now()
		c := &consumer{
			name: name, stream: st, created: now, shards: map[string]*Subscription{},
			arn: fmt.Sprintf("%s/consumer/%s:%d", ARN(st.name), name, now.Unix()),
		}
		st.consumers[name] = c
		d := c.describe(now)
		return &kinesis.RegisterStreamConsumerOutput{Consumer: &types.Consumer{
			ConsumerARN: d.ConsumerARN, ConsumerName: d.ConsumerName, ConsumerStatus: d.ConsumerStatus, ConsumerCreationTimestamp: d.ConsumerCreationTimestamp,
		}}, nil
	})
}

// DescribeStreamConsumer describes a consumer by its name and stream.
func (s *Service) DescribeStreamConsumer(ctx context.Context, in *kinesis.DescribeStreamConsumerInput, _ ...func(*kinesis.Options)) (*kinesis.DescribeStreamConsumerOutput, error) {
	return call(ctx, s, "DescribeStreamConsumer", in, func() (*kinesis.DescribeStreamConsumerOutput, error) {
		st, err := s.find(nil, in.StreamARN)
		if err != nil {
			return nil, err
		}
		c := st.consumers[aws.ToString(in.ConsumerName)]
		if c == nil {
			return nil, notFound("Consumer %s under stream %s not found.", aws.ToString(in.ConsumerName), st.name)
		}
		return &kinesis.DescribeStreamConsumerOutput{ConsumerDescription: c.describe(s.opts.Now())}, nil
	})
}

// DeregisterConsumer removes a consumer, its subscriptions with it.
func (s *Service) DeregisterConsumer(stream, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.streams[stream].consumers[name]
	delete(s.streams[stream].consumers, name)
	for _, sub := range c.shards {
		sub.end(notFound("Consumer %s not found.", name))
	}
}

// Break ends all subscriptions of a stream with err; nil ends them as their time does.
func (s *Service) Break(stream string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.streams[stream].consumers {
		for _, sub := range c.shards {
			sub.end(err)
		}
	}
}

// Subscription is one SubscribeToShard: events until its time is over or the shard is.
type Subscription struct {
	service *Service
	events  chan types.SubscribeToShardEventStream
	stop    chan struct{} // closed by end
	since   time.Time

	once sync.Once
	err  error // set before stop is closed
}

// Events gives the events; it is closed at the end.
func (s *Subscription) Events() <-chan types.SubscribeToShardEventStream { return s.events }

// Err says why the events ended, once they have.
func (s *Subscription) Err() error {
	select {
	case <-s.stop:
		return s.err
	default:
		return nil
	}
}

// Close ends the subscription.
func (s *Subscription) Close() error {
	s.end(nil)
	return nil
}

func (s *Subscription) end(err error) {
	s.once.Do(func() {
		s.err = err
		close(s.stop)
	})
}

// Subscribe is SubscribeToShard: the SDK's own output cannot be made outside of the SDK.
func (s *Service) Subscribe(ctx context.Context, in *kinesis.SubscribeToShardInput) (kinesis.SubscribeToShardEventStreamReader, error) {
	return call(ctx, s, "SubscribeToShard", in, func() (kinesis.SubscribeToShardEventStreamReader, error) {
		c, err := s.consumerLocked(aws.ToString(in.ConsumerARN))
		if err != nil {
			return nil, err
		}
		now := s.opts.Now()
		st, sh, err := s.findShardLocked(&c.stream.name, nil, aws.ToString(in.ShardId))
		if err != nil {
			return nil, err
		}
		if c.describe(now).ConsumerStatus != types.ConsumerStatusActive {
			return nil, &types.ResourceInUseException{Message: aws.String("Consumer is not active.")}
		}
		p := in.StartingPosition
		next, err := s.startLocked(st, sh, p.Type, aws.ToString(p.SequenceNumber), p.Timestamp)
		if err != nil {
			return nil, err
		}
		if old := c.shards[sh.id]; old != nil && old.open() {
			if now.Sub(old.since) < supersedeAfter {
				return nil, &types.ResourceInUseException{Message: aws.String("Another active subscription exists for this consumer.")}
			}
			old.end(&types.ResourceInUseException{Message: aws.String("Another subscription has taken over.")})
		}
		sub := &Subscription{service: s, events: make(chan types.SubscribeToShardEventStream), stop: make(chan struct{}), since: now}
		c.shards[sh.id] = sub
		go sub.run(ctx, st, sh, next)
		return sub, nil
	})
}

func (s *Subscription) open() bool {
	select {
	case <-s.stop:
		return false
	default:
		return true
	}
}

func (s *Service) consumerLocked(arn string) (*consumer, error) {
	streamARN, _, _ := strings.Cut(arn, "/consumer/")
	if st, err := s.find(nil, &streamARN); err == nil {
		for _, c := range st.consumers {
			if c.arn == arn {
				return c, nil
			}
		}
	}
	return nil, notFound("Consumer %s not found.", arn)
}

func (s *Subscription) run(ctx context.Context, st *stream, sh *shard, next int) {
	defer close(s.events)
	over := time.NewTimer(s.service.opts.SubscriptionAge)
	defer over.Stop()
	beat := time.NewTicker(heartbeatEvery)
	defer beat.Stop()
	wanted := true // the first event comes at once, even without records
	for {
		s.service.mu.Lock()
		event, changed := s.eventLocked(st, sh, &next, wanted), s.service.changed
		s.service.mu.Unlock()
		wanted = false
		if event != nil {
			select {
			case s.events <- &types.SubscribeToShardEventStreamMemberSubscribeToShardEvent{Value: *event}:
			case <-s.stop:
				return
			case <-ctx.Done():
				s.end(ctx.Err())
				return
			}
			if event.ContinuationSequenceNumber == nil {
				s.end(nil)
				return
			}
			continue
		}
		select {
		case <-changed:
		case <-beat.C:
			wanted = true
		case <-over.C:
			s.end(nil)
			return
		case <-s.stop:
			return
		case <-ctx.Done():
			s.end(ctx.Err())
			return
		}
	}
}

// eventLocked makes the next event: nil if there is nothing to tell and none is wanted.
func (s *Subscription) eventLocked(st *stream, sh *shard, next *int, wanted bool) *types.SubscribeToShardEvent {
	now := s.service.opts.Now()
	*next = max(*next, sh.oldest(st.horizon(now)))
	e := &types.SubscribeToShardEvent{}
	for *next < len(sh.records) && len(e.Records) < maxEventRecords {
		e.Records = append(e.Records, sh.records[*next].Record)
		*next++
	}
	e.MillisBehindLatest = aws.Int64(sh.behind(*next, now))
	if !sh.closed.IsZero() && *next == len(sh.records) {
		e.ChildShards = st.children(sh)
		return e
	}
	if len(e.Records) == 0 && !wanted {
		return nil
	}
	at := sh.first
	if *next > 0 {
		at = *sh.records[*next-1].SequenceNumber
	}
	e.ContinuationSequenceNumber = aws.String(at)
	return e
}
