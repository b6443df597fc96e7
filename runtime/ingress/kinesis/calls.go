package kinesis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/awsclient"
)

// tries is how often a call is made before its error is handed on: the node pauses, logs it, and begins again.
const tries = 5

// try makes a call, each attempt within CallTimeout, and again after a pause if the error may pass by itself.
func (g *Ingress) try(ctx context.Context, st *stream, shard, operation string, call func(context.Context) error) error {
	for n := 1; ; n++ {
		err := g.once(ctx, call)
		if err == nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		class := awsclient.Classify(err)
		if class == awsclient.Throttled {
			g.reports.throttled(partitionID(st.name, shard))
		}
		if !class.Retry() || n == tries {
			return g.explain(st, operation, err)
		}
		if !sleep(ctx, g.backoff.Delay(n)) {
			return ctx.Err()
		}
	}
}

// once makes one attempt.
func (g *Ingress) once(ctx context.Context, call func(context.Context) error) error {
	attempt, cancel := context.WithTimeout(ctx, g.opts.CallTimeout)
	defer cancel()
	err := call(attempt)
	if err != nil && ctx.Err() == nil && attempt.Err() != nil {
		return fmt.Errorf("no answer within %s: %w", g.opts.CallTimeout, context.DeadlineExceeded)
	}
	return err
}

// explain says what an operator can do about an error of a call.
func (g *Ingress) explain(st *stream, operation string, err error) error {
	region := g.opts.Region
	if region == "" {
		region = "the ingress's"
	}
	var missing *types.ResourceNotFoundException
	var taken *types.ResourceInUseException
	hint := ""
	switch class := awsclient.Classify(err); {
	case errors.As(err, &missing):
		hint = fmt.Sprintf("there is no stream %s in region %s of this account: create it, or mend its name or awsRegion", st.name, region)
	case errors.As(err, &taken) && operation == "SubscribeToShard":
		hint = fmt.Sprintf("consumer %s of stream %s is subscribed to this shard elsewhere, or not active: see whether another application has the same consumerName",
			g.opts.ConsumerName, st.name)
	case class == awsclient.Denied && strings.HasPrefix(awsclient.Code(err), "KMS"):
		hint = fmt.Sprintf("the key of stream %s cannot be used: allow kms:Decrypt on it, and see that it is enabled", st.name)
	case class == awsclient.Denied:
		hint = fmt.Sprintf("these credentials may not: allow kinesis:%s on stream %s, or use others", operation, st.name)
	case class == awsclient.ExpiredCredentials:
		hint = "the credentials have expired and no newer ones could be had: give others, or the process an identity that renews them"
	case class == awsclient.NoCredentials:
		hint = "there are no credentials: set awsCredentials or the environment's"
	default:
		return fmt.Errorf("%s: %w", operation, err)
	}
	return fmt.Errorf("%s: %s: %w", operation, hint, err)
}

// sleep waits and reports whether ctx is still wanted.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
