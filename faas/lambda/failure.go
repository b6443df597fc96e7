package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"github.com/stateway/stateway/internal/awsclient"
	"github.com/stateway/stateway/runtime/core"
)

// failure tells what a call that Lambda did not answer, or refused, means for its group. Lambda refuses for reasons of its own, which
// no item is to blame for; the two exceptions are about the payload.
func (t *Transport) failure(err error, sent bool, budget time.Duration) core.GroupOutcome {
	o := core.GroupOutcome{Class: core.GroupTrouble, Reason: t.reason("%s", t.explain(err, sent, budget))}
	class := awsclient.Classify(err)
	var refused smithy.APIError
	switch {
	case errors.As(err, &refused) && payloadTooLarge(refused) || awsclient.Status(err) == 413:
		o.Class = core.GroupTooLarge
	case awsclient.Code(err) == "InvalidRequestContentException":
		o.Class = core.GroupFailed
	case class == awsclient.Throttled:
		o.Throttled, o.RetryAfter = true, retryAfter(err)
	case errors.Is(err, errTooLong):
		o.Class = core.GroupTooLarge
	case !refusal(err) && (sent || awsclient.Status(err) != 0): // it may have run
		o.Class = core.GroupFailed
	}
	return o
}

// refusal reports whether somebody answered, or nothing was asked.
func refusal(err error) bool {
	var none *awsclient.CredentialsError
	return errors.As(err, &none) || awsclient.Status(err) >= 300
}

func payloadTooLarge(err smithy.APIError) bool {
	code := strings.TrimSuffix(err.ErrorCode(), "Exception")
	return code == "RequestTooLarge" || code == "SerializedRequestEntityTooLarge" || code == "RequestEntityTooLarge"
}

// explain says what went wrong, and who can mend it.
func (t *Transport) explain(err error, sent bool, budget time.Duration) string {
	var refused smithy.APIError
	text := err.Error()
	switch {
	case errors.Is(err, context.DeadlineExceeded) && !refusal(err) && sent:
		return fmt.Sprintf("no answer within the call budget of %s and %s for the way", budget, t.cfg.Way)
	case errors.Is(err, context.DeadlineExceeded) && !refusal(err):
		return fmt.Sprintf("the request could not be sent within %s", budget+t.cfg.Way)
	case errors.As(err, &refused):
		text = refused.ErrorCode() + throttleReason(err) + ": " + refused.ErrorMessage()
	}
	if hint := hints[awsclient.Classify(err)]; hint != "" {
		text += " (" + hint + ")"
	}
	return text
}

// hints tell an operator what to do about a class of errors that does not mend itself.
var hints = map[awsclient.Class]string{
	awsclient.NotFound: "deploy the function, or mend its name, alias or region in the module; messages wait until then",
	awsclient.Denied:   "the node's role needs lambda:InvokeFunction on the function, and the function its key and network; messages wait until then",
	awsclient.Invalid:  "mend the function's name or its configuration; messages wait until then",
}

// throttleReason is Lambda's word for which limit was met.
func throttleReason(err error) string {
	var busy *types.TooManyRequestsException
	if errors.As(err, &busy) && busy.Reason != "" {
		return " (" + string(busy.Reason) + ")"
	}
	return ""
}

const maxRetryAfter = 24 * 60 * 60 // seconds; nobody waits longer on an answer's word

// retryAfter is how long Lambda asks not to be asked again, in milliseconds.
func retryAfter(err error) core.Millis {
	var busy *types.TooManyRequestsException
	if !errors.As(err, &busy) || busy.RetryAfterSeconds == nil {
		return 0
	}
	s, err := strconv.ParseFloat(*busy.RetryAfterSeconds, 64)
	if err != nil || !(s > 0) {
		return 0
	}
	return core.Millis(min(s, maxRetryAfter) * 1000)
}

// notReady is what cmd/lambda-adapter says when its server does not start: no item is to blame for it.
const notReady = "Stateway.ServerNotReady"

// functionError tells what an invocation means that has ended without an answer of the handler: an exception, a time-out, a process that
// ended or ran out of memory, an answer that is too large.
func (t *Transport) functionError(kind string, payload []byte) core.GroupOutcome {
	var told struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}
	o := core.GroupOutcome{Class: core.GroupFailed}
	if json.Unmarshal(payload, &told) != nil || told.Message == "" && told.Type == "" {
		o.Reason = t.reason("function error %s: %s", kind, excerpt(payload))
		return o
	}
	switch {
	case told.Type == notReady:
		o.Class = core.GroupTrouble
	case strings.HasSuffix(told.Type, ".ResponseSizeTooLarge"), told.Type == "RequestEntityTooLarge":
		o.Class = core.GroupTooLarge
	}
	o.Reason = t.reason("function error %s: %s: %s", kind, cut(told.Type), cut(told.Message))
	return o
}

const maxExcerpt = 256 // bytes of a payload or a text that a reason quotes

func excerpt(b []byte) string {
	if len(b) == 0 {
		return "it is empty"
	}
	return strconv.Quote(cut(string(b[:min(len(b), 2*maxExcerpt)])))
}

func cut(s string) string {
	if len(s) <= maxExcerpt {
		return strings.ToValidUTF8(s, "?")
	}
	return strings.ToValidUTF8(s[:maxExcerpt], "?") + "…"
}
