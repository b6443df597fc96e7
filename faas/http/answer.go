package http

import (
	"errors"
	"fmt"
	nethttp "net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stateway/stateway/faas/reqreply"
	"github.com/stateway/stateway/runtime/core"
)

// answer is what a server answered, however it was read.
type answer struct {
	status     int
	otherType  string   // a Content-Type that is not octet-stream
	encodings  []string // in the order in which they were applied, lower case
	retryAfter string
	date       string
	group      []string // what the server announces of groups, if somebody wants to know
	location   bool
	body       []byte // the answer's own, never reused
	tooLarge   bool   // the body was not read to its end
	close      bool   // the connection must not be used again
}

func (a *answer) ok() bool { return a.status >= 200 && a.status < 300 }

// redirects reports whether the answer sends the request elsewhere.
func (a *answer) redirects() bool {
	switch a.status {
	case 301, 302, 303, 307, 308:
		return a.location
	}
	return false
}

// troubles reports whether the status is the endpoint's trouble, not the invocation's failure.
func (a *answer) troubles() bool {
	switch a.status {
	case nethttp.StatusTooManyRequests, nethttp.StatusBadGateway, nethttp.StatusServiceUnavailable, nethttp.StatusGatewayTimeout:
		return true
	}
	return false
}

// outcome tells what an answer means for the invocation.
func (c *Client) outcome(codec *reqreply.Codec, r *route, a *answer) core.Outcome {
	failed := func(format string, args ...any) core.Outcome {
		return core.Outcome{Class: core.OutcomeFailed, Reason: "POST " + r.text + ": " + fmt.Sprintf(format, args...)}
	}
	if reason := c.refusal(a); reason != "" {
		o := failed("%s", reason)
		if a.troubles() {
			o.Class = core.OutcomeTrouble
			o.RetryAfter = retryAfter(a.retryAfter, a.date, c.cfg.Now)
		}
		return o
	}
	if a.otherType != "" {
		return failed("content type %q of the answer: must be %s%s", a.otherType, octetStream, a.excerpt())
	}
	body, err := decompress(a.body, a.encodings, c.cfg.PayloadMaxBytes)
	if err != nil {
		return failed("%v", err)
	}
	resp, err := codec.ParseAnswer(body)
	if err != nil {
		return failed("%v", err)
	}
	return core.Outcome{Class: core.OutcomeOK, Response: resp}
}

// refusal says why there is no body that could be an answer; empty if there is one.
func (c *Client) refusal(a *answer) string {
	switch {
	case !a.ok():
		return "status " + statusText(a.status) + a.excerpt()
	case a.tooLarge:
		return fmt.Sprintf("the answer is larger than payload_max_bytes (%d bytes)", c.cfg.PayloadMaxBytes)
	}
	return ""
}

func statusText(status int) string {
	return strings.TrimSpace(strconv.Itoa(status) + " " + nethttp.StatusText(status))
}

const maxExcerpt = 256 // bytes of a body that a reason quotes

// excerpt is the beginning of the body, for the reason of a failure.
func (a *answer) excerpt() string {
	body, err := decompress(a.body, a.encodings, maxErrorBody)
	if err != nil || len(body) == 0 {
		return ""
	}
	more := ""
	if len(body) > maxExcerpt {
		body, more = body[:maxExcerpt], "…"
	}
	return ": " + strconv.Quote(strings.ToValidUTF8(strings.TrimSpace(string(body)), "?")) + more
}

const maxRetryAfter = 24 * 60 * 60 * 1000 // milliseconds; nobody waits longer on a server's word

// retryAfter reads a Retry-After header: seconds, or a date, which counts from the answer's own Date where it has one.
func retryAfter(v, date string, now func() core.Millis) core.Millis {
	if v == "" {
		return 0
	}
	if s, err := strconv.ParseUint(v, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return core.Millis(min(s, maxRetryAfter/1000) * 1000) //nolint:gosec // bounded
	}
	at, err := nethttp.ParseTime(v)
	if err != nil {
		return 0
	}
	from := time.UnixMilli(int64(now()))
	if d, err := nethttp.ParseTime(date); err == nil {
		from = d
	}
	return core.Millis(min(max(at.Sub(from).Milliseconds(), 0), maxRetryAfter))
}
