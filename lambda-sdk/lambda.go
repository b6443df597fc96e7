package stateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stateway/stateway/protocol/group"
)

// DefaultLambdaMargin is how long before the end of a Lambda invocation its answer is sent unless WithLambdaMargin says
// otherwise.
const DefaultLambdaMargin = 500 * time.Millisecond

// WithLambdaMargin sets how long before the end of an invocation a Lambda handler sends its answer, with retry for the
// items that are not finished. It has to suffice for writing and sending up to 6 MB. Values of 0 and less mean
// DefaultLambdaMargin; more than a quarter of the function's time is never taken.
func WithLambdaMargin(margin time.Duration) Option {
	return func(a *App) {
		if margin > 0 {
			a.lambdaMargin = margin
		}
	}
}

// LambdaHandler answers the invocations of an AWS Lambda function. It has the method of the interface Handler in
// github.com/aws/aws-lambda-go/lambda:
//
//	lambda.Start(app.Lambda())
type LambdaHandler struct{ app *App }

// Lambda returns the App as a Lambda handler.
func (a *App) Lambda() *LambdaHandler { return &LambdaHandler{app: a} }

// lambdaEncodings is what a Lambda handler can read.
var lambdaEncodings = group.Encodings(0).With(group.JSON).With(group.Packed)

// Invoke answers the payload, a group of calls, in the payload's encoding. Items run in parallel, as WithParallel says,
// until all are answered or ctx has nearly ended; then those that are not finished are answered with retry, and their
// contexts are done. The error says that the payload is no group.
func (h *LambdaHandler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	enc, ok := group.OfPayload(payload)
	if !ok {
		return nil, errors.New("the payload is no group of Stateway: a Lambda endpoint sends it, not an HTTP one")
	}
	calls, err := group.ParseCalls(enc, payload, nil)
	if err != nil {
		return nil, fmt.Errorf("the payload is no group of Stateway: %w", err)
	}
	ctx, cancel := h.limit(ctx)
	defer cancel()
	// A handler that outlives the invocation reads on in the calls' data, which is not the payload's memory.
	g := h.app.runGroup(ctx, calls)
	var e group.Encoder
	return g.encode(&e, enc, nil, group.MaxLambdaPayload, lambdaEncodings), nil
}

// limit ends the context before Lambda ends the invocation.
func (h *LambdaHandler) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	margin := min(h.app.lambdaMargin, time.Until(deadline)/4)
	return context.WithDeadline(ctx, deadline.Add(-margin))
}
