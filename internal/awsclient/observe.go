package awsclient

import (
	"context"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// Call is one attempt of a call that has ended. Of a call with a streamed answer, it has ended when the stream begins.
type Call struct {
	Service   string // as the SDK calls it: "Kinesis", "S3", "STS"
	Operation string // "GetRecords"
	Class     Class  // OK, or what went wrong
	Err       error  // nil with OK
	Took      time.Duration
}

// observer is the option that lets every call be seen. It also has used up credentials fetched again.
func observer(observe func(Call), keys *keyring) func(*middleware.Stack) error {
	see := middleware.FinalizeMiddlewareFunc("StatewayObserver", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		began := time.Now()
		out, meta, err := next.HandleFinalize(ctx, in)
		class := Classify(err)
		if class == ExpiredCredentials {
			keys.invalidate()
		}
		if observe != nil {
			observe(Call{
				Service: awsmiddleware.GetServiceID(ctx), Operation: awsmiddleware.GetOperationName(ctx),
				Class: class, Err: err, Took: time.Since(began),
			})
		}
		return out, meta, err
	})
	return func(s *middleware.Stack) error {
		if _, retried := s.Finalize.Get("Retry"); retried {
			return s.Finalize.Insert(see, "Retry", middleware.After)
		}
		return s.Finalize.Add(see, middleware.Before)
	}
}
