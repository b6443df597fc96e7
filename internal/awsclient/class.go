package awsclient

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/aws/smithy-go"
)

// Class says what a failed call asks of its caller.
type Class uint8

// The classes. Their texts are the outcomes of stateway_aws_requests_total.
const (
	OK                 Class = iota // no error
	Throttled                       // too many or too much: wait, and then ask for less
	Transient                       // a timeout, a broken connection, a 5xx, SlowDown: try again; what was asked for may have happened
	ExpiredCredentials              // try again: the credentials are fetched anew
	ClockSkew                       // the clocks differ: the SDK corrects for it, so try again
	Denied                          // no permission, or keys that AWS does not know: an operator's
	NoCredentials                   // none were found, and nothing was asked: an operator's
	NotFound                        // the thing asked for is not there
	Conflict                        // the thing is in another state than the call needs: 409 and 412
	Invalid                         // the call itself is wrong, or asks for what this service cannot do
	Canceled                        // the caller gave up
	Unknown                         // none of these
)

var classNames = [...]string{
	"ok", "throttled", "transient", "expired_credentials", "clock_skew", "denied", "no_credentials",
	"not_found", "conflict", "invalid", "canceled", "unknown",
}

// String is a word such as "throttled".
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "unknown"
}

// Retry reports whether the same call may succeed later without anybody doing anything.
func (c Class) Retry() bool {
	return c == Throttled || c == Transient || c == ExpiredCredentials || c == ClockSkew
}

// codes are the error codes of the services we call, and of what stands before them. Those that end in Exception are listed
// without it.
var codes = map[string]Class{
	"ProvisionedThroughputExceeded": Throttled, "Throttling": Throttled, "Throttled": Throttled, "RequestThrottled": Throttled,
	"RequestLimitExceeded": Throttled, "TooManyRequests": Throttled, "LimitExceeded": Throttled, "KMSThrottling": Throttled,
	"BandwidthLimitExceeded": Throttled, "EC2Throttled": Throttled, "PriorRequestNotComplete": Throttled,

	"SlowDown": Transient, "InternalError": Transient, "InternalFailure": Transient, "InternalServerError": Transient,
	"InternalServer": Transient, "Service": Transient, "ServiceUnavailable": Transient, "RequestTimeout": Transient,
	"EC2Unexpected": Transient, "EC2ThrottledUnexpected": Transient, "IDPCommunicationError": Transient, "Busy": Transient,

	"ExpiredToken": ExpiredCredentials, "TokenRefreshRequired": ExpiredCredentials,

	"RequestTimeTooSkewed": ClockSkew, "RequestExpired": ClockSkew, "RequestInTheFuture": ClockSkew,

	"AccessDenied": Denied, "UnauthorizedOperation": Denied, "UnrecognizedClient": Denied, "InvalidClientTokenId": Denied,
	"InvalidAccessKeyId": Denied, "SignatureDoesNotMatch": Denied, "InvalidSignature": Denied, "IncompleteSignature": Denied,
	"AuthFailure": Denied, "MissingAuthenticationToken": Denied, "InvalidToken": Denied, "InvalidIdentityToken": Denied,
	"NotSignedUp": Denied, "OptInRequired": Denied, "AllAccessDisabled": Denied, "AccountProblem": Denied,
	"KMSAccessDenied": Denied, "KMSDisabled": Denied, "KMSInvalidState": Denied, "KMSOptInRequired": Denied,

	"ResourceNotFound": NotFound, "NoSuchKey": NotFound, "NoSuchBucket": NotFound, "NoSuchUpload": NotFound,
	"NoSuchVersion": NotFound, "NotFound": NotFound, "KMSNotFound": NotFound,

	"ResourceInUse": Conflict, "ConditionalRequestConflict": Conflict, "OperationAborted": Conflict, "PreconditionFailed": Conflict,
	"ResourceConflict": Conflict,

	"InvalidArgument": Invalid, "Validation": Invalid, "ValidationError": Invalid, "ExpiredIterator": Invalid,
	"ExpiredNextToken": Invalid, "AuthorizationHeaderMalformed": Invalid, "PermanentRedirect": Invalid,
}

// Classify says what an error of a call asks for. An error that no service gave is judged by what became of the connection.
func Classify(err error) Class {
	switch {
	case err == nil:
		return OK
	case errors.Is(err, context.Canceled):
		return Canceled
	}
	var none *CredentialsError
	if errors.As(err, &none) {
		return classifyIdentity(none)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Transient
	}
	if class := classifyAnswer(err); class != Unknown {
		return class
	}
	if brokenConnection(err) {
		return Transient
	}
	return Unknown
}

// Code is the service's error code, as "ResourceNotFoundException"; empty if no service gave the error.
func Code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// Status is the HTTP status of a failed call; 0 if there was no answer.
func Status(err error) int {
	var answered interface{ HTTPStatusCode() int }
	if errors.As(err, &answered) {
		return answered.HTTPStatusCode()
	}
	return 0
}

// classifyIdentity judges why there are no credentials. Only what AWS itself says with a code counts: a machine without a metadata
// address has timeouts and refused connections there, which no patience mends.
func classifyIdentity(err *CredentialsError) Class {
	if class, known := codes[strings.TrimSuffix(Code(err), "Exception")]; known {
		return class
	}
	return NoCredentials
}

// classifyAnswer judges an error by what a service answered.
func classifyAnswer(err error) Class {
	code := strings.TrimSuffix(Code(err), "Exception")
	class, known := codes[code]
	if known && class == Denied && skewed(err) {
		return ClockSkew
	}
	if known {
		return class
	}
	switch status := Status(err); {
	case status == 0 || status < 300:
		return Unknown
	case status == 429:
		return Throttled
	case status >= 500 || status == 408:
		return Transient
	case status == 401 || status == 403:
		return Denied
	case status == 404:
		return NotFound
	case status == 409 || status == 412:
		return Conflict
	default:
		return Invalid
	}
}

// skewed reports whether a signature was refused for its time alone.
func skewed(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	text := api.ErrorMessage()
	return strings.Contains(text, "Signature expired") || strings.Contains(text, "Signature not yet current")
}

// brokenConnection reports whether an error is the network's. A certificate that does not hold is not: it stays broken.
func brokenConnection(err error) bool {
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return false
	}
	var network net.Error
	var send interface{ ConnectionError() bool }
	return errors.As(err, &network) || errors.As(err, &send) && send.ConnectionError() ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNREFUSED)
}
