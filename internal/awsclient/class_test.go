package awsclient_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/stateway/stateway/internal/awsclient"
)

// answered is an error as the SDK gives it for an answer.
func answered(status int, err error) error {
	return &smithy.OperationError{ServiceID: "S3", OperationName: "PutObject", Err: &awshttp.ResponseError{
		ResponseError: &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: err},
	}}
}

func coded(code, text string) error { return &smithy.GenericAPIError{Code: code, Message: text} }

func TestClassify(t *testing.T) {
	other := errors.New("what else")
	cases := []struct {
		name string
		err  error
		want awsclient.Class
	}{
		{"no error", nil, awsclient.OK},
		{"too fast for a shard", answered(400, &types.ProvisionedThroughputExceededException{}), awsclient.Throttled},
		{"too many calls", answered(400, &types.LimitExceededException{}), awsclient.Throttled},
		{"too many calls, by status", answered(429, other), awsclient.Throttled},
		{"KMS throttles", answered(400, &types.KMSThrottlingException{}), awsclient.Throttled},
		{"S3 is busy", answered(503, coded("SlowDown", "")), awsclient.Transient},
		{"a 500 without code", answered(500, other), awsclient.Transient},
		{"a failure within a stream of events", &types.InternalFailureException{}, awsclient.Transient},
		{"a broken connection", &smithyhttp.RequestSendError{Err: syscall.ECONNRESET}, awsclient.Transient},
		{"a refused connection", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, awsclient.Transient},
		{"a name that is not found", &url.Error{Op: "Post", Err: &net.DNSError{IsNotFound: true}}, awsclient.Transient},
		{"half a body", fmt.Errorf("read: %w", io.ErrUnexpectedEOF), awsclient.Transient},
		{"the caller's time is up", fmt.Errorf("call: %w", context.DeadlineExceeded), awsclient.Transient},
		{"the caller gave up", &smithyhttp.RequestSendError{Err: context.Canceled}, awsclient.Canceled},
		{"a certificate that does not hold", &smithyhttp.RequestSendError{Err: &tls.CertificateVerificationError{Err: other}}, awsclient.Unknown},
		{"an old session", answered(400, coded("ExpiredTokenException", "")), awsclient.ExpiredCredentials},
		{"an old session, as S3 says it", answered(400, coded("ExpiredToken", "")), awsclient.ExpiredCredentials},
		{"clocks differ, as S3 says it", answered(403, coded("RequestTimeTooSkewed", "")), awsclient.ClockSkew},
		{"clocks differ", answered(403, coded("InvalidSignatureException", "Signature expired: 2026… is now earlier than …")), awsclient.ClockSkew},
		{"a wrong secret", answered(403, coded("SignatureDoesNotMatch", "The request signature we calculated")), awsclient.Denied},
		{"no permission", answered(400, &types.AccessDeniedException{}), awsclient.Denied},
		{"no permission, by status", answered(403, other), awsclient.Denied},
		{"a key that is switched off", answered(400, &types.KMSDisabledException{}), awsclient.Denied},
		{"no such stream", answered(400, &types.ResourceNotFoundException{}), awsclient.NotFound},
		{"no such object, to HEAD", answered(404, other), awsclient.NotFound},
		{"being changed", answered(400, &types.ResourceInUseException{}), awsclient.Conflict},
		{"two creates", answered(409, coded("ConditionalRequestConflict", "")), awsclient.Conflict},
		{"there already", answered(412, coded("PreconditionFailed", "")), awsclient.Conflict},
		{"an old iterator", answered(400, &types.ExpiredIteratorException{}), awsclient.Invalid},
		{"not understood", answered(400, other), awsclient.Invalid},
		{"moved", answered(301, coded("PermanentRedirect", "")), awsclient.Invalid},
		{"no identity", fmt.Errorf("sign: %w", &awsclient.CredentialsError{Err: answered(404, other)}), awsclient.NoCredentials},
		{"no metadata address", &awsclient.CredentialsError{Err: context.DeadlineExceeded}, awsclient.NoCredentials},
		{"STS throttles", &awsclient.CredentialsError{Err: coded("Throttling", "")}, awsclient.Throttled},
		{"something else", other, awsclient.Unknown},
	}
	for _, c := range cases {
		if got := awsclient.Classify(c.err); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestWhatIsTriedAgain(t *testing.T) {
	want := map[awsclient.Class]bool{
		awsclient.Throttled: true, awsclient.Transient: true, awsclient.ExpiredCredentials: true, awsclient.ClockSkew: true,
	}
	words := map[string]bool{}
	for c := awsclient.OK; c <= awsclient.Unknown; c++ {
		if c.Retry() != want[c] {
			t.Errorf("%s: retry %v", c, c.Retry())
		}
		words[c.String()] = true
	}
	if len(words) != int(awsclient.Unknown)+1 {
		t.Errorf("texts are not different: %v", words)
	}
}

func TestCodeAndStatus(t *testing.T) {
	err := answered(412, coded("PreconditionFailed", ""))
	if awsclient.Code(err) != "PreconditionFailed" || awsclient.Status(err) != 412 {
		t.Errorf("got %q, %d", awsclient.Code(err), awsclient.Status(err))
	}
	if awsclient.Code(io.EOF) != "" || awsclient.Status(io.EOF) != 0 {
		t.Errorf("got %q, %d of no answer", awsclient.Code(io.EOF), awsclient.Status(io.EOF))
	}
}
