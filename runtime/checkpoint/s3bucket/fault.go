package s3bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/stateway/stateway/internal/awsclient"
	"github.com/stateway/stateway/runtime/checkpoint"
)

// verdict is what an attempt's error makes us do.
type verdict uint8

const (
	final    verdict = iota // trying again gives the same
	again                   // trying again may help
	taken                   // the condition failed: the key is taken
	missing                 // no such object
	beyond                  // the object ends before the range
	gone                    // no such multipart upload
	conflict                // another write of the key is under way; for a multipart upload: begin anew
	folder                  // the store cannot hold the key beside keys below it, or below one above
)

// fault is an attempt's error, understood.
type fault struct {
	verdict verdict
	cause   checkpoint.RetryCause
	maybe   bool // the request may have been carried out all the same
}

var byCode = map[string]fault{
	"PreconditionFailed":         {verdict: taken},
	"ConditionalRequestConflict": {verdict: conflict, cause: checkpoint.RetryConflict},
	"OperationAborted":           {verdict: conflict, cause: checkpoint.RetryConflict},
	"NoSuchKey":                  {verdict: missing},
	"NotFound":                   {verdict: missing},
	"NoSuchUpload":               {verdict: gone},
	"InvalidRange":               {verdict: beyond},

	"SlowDown":               {verdict: again, cause: checkpoint.RetryThrottle, maybe: true},
	"ServiceUnavailable":     {verdict: again, cause: checkpoint.RetryThrottle, maybe: true},
	"Throttling":             {verdict: again, cause: checkpoint.RetryThrottle},
	"ThrottlingException":    {verdict: again, cause: checkpoint.RetryThrottle},
	"RequestLimitExceeded":   {verdict: again, cause: checkpoint.RetryThrottle},
	"TooManyRequests":        {verdict: again, cause: checkpoint.RetryThrottle},
	"BandwidthLimitExceeded": {verdict: again, cause: checkpoint.RetryThrottle},
	"InternalError":          {verdict: again, cause: checkpoint.RetryServer, maybe: true}, // also inside an answer 200
	"RequestTimeout":         {verdict: again, cause: checkpoint.RetryTimeout, maybe: true},

	"BadDigest":                     {verdict: again, cause: checkpoint.RetryBody},
	"InvalidDigest":                 {verdict: again, cause: checkpoint.RetryBody},
	"XAmzContentChecksumMismatch":   {verdict: again, cause: checkpoint.RetryBody},
	"XAmzContentSHA256Mismatch":     {verdict: again, cause: checkpoint.RetryBody},
	"IncompleteBody":                {verdict: again, cause: checkpoint.RetryBody},
	"RequestTimeTooSkewed":          {verdict: again, cause: checkpoint.RetryClock},
	"RequestExpired":                {verdict: again, cause: checkpoint.RetryClock},
	"ExpiredToken":                  {verdict: again, cause: checkpoint.RetryCredentials},
	"ExpiredTokenException":         {verdict: again, cause: checkpoint.RetryCredentials},
	"TokenRefreshRequired":          {verdict: again, cause: checkpoint.RetryCredentials},
	"ExistingObjectIsDirectory":     {verdict: folder}, // versitygw
	"ObjectParentIsFile":            {verdict: folder},
	"XMinioObjectExistsAsDirectory": {verdict: folder}, // minio
	"XMinioParentIsObject":          {verdict: folder},
}

// errCut is an answer that ended early or was damaged on its way.
var errCut = errors.New("the answer was cut short or damaged")

// errSlow is an attempt that was given up.
var errSlow = errors.New("no answer in time")

func classify(err error) fault {
	var refused *writerError
	if errors.As(err, &refused) {
		return fault{}
	}
	if errors.Is(err, errSlow) {
		return fault{verdict: again, cause: checkpoint.RetryTimeout, maybe: true}
	}
	if errors.Is(err, errCut) {
		return fault{verdict: again, cause: checkpoint.RetryBody}
	}
	var noCredentials *awsclient.CredentialsError
	if errors.As(err, &noCredentials) && awsclient.Classify(err).Retry() {
		return fault{verdict: again, cause: checkpoint.RetryCredentials}
	}
	code, status := awsclient.Code(err), awsclient.Status(err)
	if f, ok := byCode[code]; ok {
		return f
	}
	switch {
	case noCredentials != nil:
		return fault{}
	case status == http.StatusPreconditionFailed:
		return fault{verdict: taken}
	case status == http.StatusRequestedRangeNotSatisfiable:
		return fault{verdict: beyond}
	case status == http.StatusNotFound && code != "NoSuchBucket":
		return fault{verdict: missing}
	case status == http.StatusTooManyRequests:
		return fault{verdict: again, cause: checkpoint.RetryThrottle}
	case status == http.StatusNotImplemented:
		return fault{}
	case status >= http.StatusInternalServerError:
		return fault{verdict: again, cause: checkpoint.RetryServer, maybe: true}
	case status >= http.StatusMultipleChoices:
		return fault{}
	case brokenOff(err):
		return fault{verdict: again, cause: checkpoint.RetryConnection, maybe: true}
	}
	return fault{maybe: true} // unheard of: nothing is known
}

// brokenOff reports whether the connection is at fault: nothing says whether the request arrived.
func brokenOff(err error) bool {
	var send *smithyhttp.RequestSendError
	var network net.Error
	var half *smithy.DeserializationError
	return errors.As(err, &send) || errors.As(err, &network) || errors.As(err, &half) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// SetupError is an error that stays until somebody changes the bucket, the permissions or the URL.
type SetupError struct {
	Bucket string // as a URL
	Advice string // what is wrong, and what to do
	Err    error  // what the store said; nil if it said nothing
}

func (e *SetupError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("bucket %s: %s", e.Bucket, e.Advice)
	}
	return fmt.Sprintf("bucket %s: %s: %v", e.Bucket, e.Advice, e.Err)
}

func (e *SetupError) Unwrap() error { return e.Err }

// explain turns an error that stays into a SetupError, if it is one of those that are known; all others pass.
func (b *Bucket) explain(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if advice := b.advice(err); advice != "" {
		return &SetupError{Bucket: b.opt.String(), Advice: advice, Err: err}
	}
	return err
}

func (b *Bucket) advice(err error) string {
	switch awsclient.Code(err) {
	case "NoSuchBucket":
		return "there is no such bucket: create it, or name another"
	case "PermanentRedirect", "MovedPermanently", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		if region := regionHint(err); region != "" {
			return fmt.Sprintf("it lies in another region than %q: put region=%s into the URL", b.region, region)
		}
		return fmt.Sprintf("it does not lie in region %q: put region=… with the bucket's into the URL", b.region)
	case "InvalidAccessKeyId", "InvalidToken", "InvalidClientTokenId":
		return "the store does not know the access key: check the credentials of this process"
	case "SignatureDoesNotMatch":
		return "the secret key is wrong, or a proxy changes requests: check the credentials of this process"
	case "AccessDenied", "Forbidden", "AllAccessDisabled", "AccountProblem":
		return "no permission: allow s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload for its objects, s3:ListBucket for itself (without it S3 answers 403 for what is missing), " +
			"and the use of its KMS key, if it has one" + b.ownerHint()
	case "KMS.DisabledException", "KMS.NotFoundException", "KMS.InvalidStateException", "KMS.KMSInvalidStateException", "KMS.AccessDeniedException":
		return "its KMS key cannot be used: check the key and its policy"
	case "InvalidBucketName":
		return "that is no bucket's name"
	}
	if awsclient.Status(err) == http.StatusMovedPermanently {
		return fmt.Sprintf("it lies in another region than %q: put region=%s into the URL", b.region, regionHint(err))
	}
	if awsclient.Status(err) == http.StatusForbidden {
		return "no permission" + b.ownerHint()
	}
	var noCredentials *awsclient.CredentialsError
	if errors.As(err, &noCredentials) {
		return "there are no credentials: give some by the environment, a profile, or the role of the machine or pod"
	}
	return ""
}

func (b *Bucket) ownerHint() string {
	if b.opt.Owner == "" {
		return ""
	}
	return ", and check that account " + b.opt.Owner + " (expectedBucketOwner) owns it"
}

var expecting = regexp.MustCompile(`expecting '([a-z0-9-]+)'`)

// regionHint is the region that the store named, empty if it named none.
func regionHint(err error) string {
	var answered *smithyhttp.ResponseError
	if errors.As(err, &answered) && answered.Response != nil {
		if region := answered.Response.Header.Get("X-Amz-Bucket-Region"); region != "" {
			return region
		}
	}
	if m := expecting.FindStringSubmatch(err.Error()); m != nil {
		return m[1]
	}
	return ""
}
