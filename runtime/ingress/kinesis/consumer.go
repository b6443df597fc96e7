package kinesis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/awsclient"
)

const (
	consumerPause    = time.Second
	consumerPatience = 5 * time.Minute // until a consumer is active
	complainEvery    = time.Hour       // about another reader with our consumer
)

// consumer is the registration of one stream for enhanced fan-out, shared by the readers of its shards.
type consumer struct {
	mu      sync.Mutex
	arn     string        // guarded by mu: once it is active
	refused error         // guarded by mu: there will be none
	asking  chan struct{} // guarded by mu: closed when the one who asks has an answer; nil if nobody does
	said    time.Time     // guarded by mu: when another reader was complained about
}

// refusedError: this stream has no enhanced fan-out for us. It may be read by polling.
type refusedError struct {
	err   error
	first bool // told to one reader of the stream
}

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// ready is the ARN of the registered and active consumer. One reader asks, the others wait for its answer.
func (c *consumer) ready(ctx context.Context, g *Ingress, st *stream) (string, error) {
	for {
		c.mu.Lock()
		switch {
		case c.arn != "":
			defer c.mu.Unlock()
			return c.arn, nil
		case c.refused != nil && g.opts.Mode == Auto:
			defer c.mu.Unlock()
			return "", &refusedError{err: c.refused}
		case c.asking == nil:
			c.asking = make(chan struct{})
			c.mu.Unlock()
			return c.ask(ctx, g, st)
		}
		asking := c.asking
		c.mu.Unlock()
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-asking:
		}
	}
}

func (c *consumer) ask(ctx context.Context, g *Ingress, st *stream) (string, error) {
	arn, err := g.register(ctx, st)
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.asking)
	c.asking = nil
	c.arn = arn
	if err != nil && ctx.Err() == nil && permanent(err) {
		c.refused = err
		return "", &refusedError{err: err, first: true}
	}
	return arn, err
}

// forget makes the next reader ask again: the consumer is gone.
func (c *consumer) forget(arn string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.arn == arn {
		c.arn = ""
	}
}

// refuse notes that there is no fan-out for us.
func (c *consumer) refuse(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.refused == nil
	c.refused, c.arn = err, ""
	return &refusedError{err: err, first: first}
}

// complain reports whether it is time to say that another reader uses the consumer: once an hour for all shards.
func (c *consumer) complain(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.said.IsZero() && now.Sub(c.said) < complainEvery {
		return false
	}
	c.said = now
	return true
}

// permanent reports whether an error means that there is no fan-out to be had: no permission, no room for another
// consumer, or a service that does not know it. A missing stream is not that, nor what passes by itself.
func permanent(err error) bool {
	var limit *types.LimitExceededException
	switch class := awsclient.Classify(err); class {
	case awsclient.Denied, awsclient.Invalid, awsclient.Unknown:
		return true
	default:
		return errors.As(err, &limit)
	}
}

// register finds or makes the consumer and waits until it is active.
func (g *Ingress) register(ctx context.Context, st *stream) (string, error) {
	stream, err := st.resourceName(ctx, g)
	if err != nil {
		return "", err
	}
	for began := g.opts.Now(); g.opts.Now().Sub(began) < consumerPatience; {
		d, err := g.describeConsumer(ctx, st, stream)
		var missing *types.ResourceNotFoundException
		switch {
		case errors.As(err, &missing):
			if err := g.makeConsumer(ctx, st, stream); err != nil {
				return "", err
			}
		case err != nil:
			return "", err
		case d.ConsumerStatus == types.ConsumerStatusActive:
			return aws.ToString(d.ConsumerARN), nil
		}
		if !sleep(ctx, consumerPause) {
			return "", ctx.Err()
		}
	}
	return "", fmt.Errorf("consumer %s of stream %s is not active after %s: see whether another application deletes it",
		g.opts.ConsumerName, st.name, consumerPatience)
}

func (g *Ingress) describeConsumer(ctx context.Context, st *stream, arn string) (*types.ConsumerDescription, error) {
	in := &kinesis.DescribeStreamConsumerInput{StreamARN: aws.String(arn), ConsumerName: aws.String(g.opts.ConsumerName)}
	var out *kinesis.DescribeStreamConsumerOutput
	err := g.try(ctx, st, "", "DescribeStreamConsumer", func(ctx context.Context) (err error) {
		out, err = g.opts.API.DescribeStreamConsumer(ctx, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	if out.ConsumerDescription == nil {
		return nil, fmt.Errorf("describe consumer %s of stream %s: the answer is empty", g.opts.ConsumerName, st.name)
	}
	return out.ConsumerDescription, nil
}

// makeConsumer registers the consumer; that another node was faster is fine.
func (g *Ingress) makeConsumer(ctx context.Context, st *stream, arn string) error {
	in := &kinesis.RegisterStreamConsumerInput{StreamARN: aws.String(arn), ConsumerName: aws.String(g.opts.ConsumerName)}
	err := g.try(ctx, st, "", "RegisterStreamConsumer", func(ctx context.Context) error {
		_, err := g.opts.API.RegisterStreamConsumer(ctx, in)
		return err
	})
	var taken *types.ResourceInUseException
	if errors.As(err, &taken) {
		return nil
	}
	var limit *types.LimitExceededException
	if errors.As(err, &limit) {
		return fmt.Errorf("stream %s takes no further consumer: deregister one that is not used, or set mode: polling: %w", st.name, err)
	}
	return err
}
