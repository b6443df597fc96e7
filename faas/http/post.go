package http

import (
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/runtime/core"
)

// Request is a POST whose body and whose answer are another's matter. Its methods are called by one goroutine at a time.
type Request interface {
	// Function is the function type whose name goes into the URL.
	Function() core.FunctionType
	// ContentType is what is sent, and wanted as an answer.
	ContentType() string
	// Budget bounds the time from taking the request off the queue to the end of its answer, Patience aside. Zero means Config.Call.
	Budget() time.Duration
	// Patience is how much of the wait for a connection and the first byte of the answer does not count against Budget. It is asked for
	// once, when the request is taken off the queue.
	Patience() time.Duration
	// Trace is the trace context of the request, nil if it has none.
	Trace() *trace.Context
	// Append appends the body. It is called once, or once more where a redirect is followed.
	Append(b []byte) []byte
	// Answered takes what became of the request, once, unless the client is closed first; the answer is its own. A request whose URL
	// cannot be is answered before Post returns.
	Answered(a *Answer)
}

// Answer is what became of a Request.
type Answer struct {
	// Status is that of the answer; zero if there is none.
	Status int
	// ContentType of the answer; empty if it is application/octet-stream, or not given.
	ContentType string
	// Group has the values of the header with which a server announces that it takes groups.
	Group []string
	// Body is that of an answer with status 2xx, decompressed. Nobody changes it.
	Body []byte

	// Reason says why there is no good answer; empty if Status is 2xx and Body is whole.
	Reason string
	// Trouble means that the endpoint is to blame: there was no connection, or the status is 429, 502, 503 or 504.
	Trouble bool
	// TooLarge means that the answer is longer than Config.PayloadMaxBytes, as it came or decompressed.
	TooLarge bool
	// RetryAfter is what a server in trouble asks for; zero if nothing.
	RetryAfter core.Millis
}

// Post takes a Request to be sent, as Send does invocations. It never blocks. After Close it does nothing.
func (c *Client) Post(r Request) {
	for {
		d := c.destination(r.Function())
		switch {
		case d == nil:
			return
		case d.err != nil:
			r.Answered(&Answer{Reason: d.err.Error()})
			return
		case d.pool.sendPost(d.route, r):
			return
		}
	}
}

// bodies are rooms for requests of posts, which are large and few.
var bodies sync.Pool // of *[]byte

const largestKept = 8 << 20 // bytes; a larger room is given back

func (c *conn) post(j job) *Answer {
	defer c.letGo()
	room, _ := bodies.Get().(*[]byte)
	if room == nil {
		room = new([]byte)
	}
	whole := c.postRequest(j, *room)
	a, err := c.roundTrip(j)
	if c.out = nil; cap(whole) <= largestKept {
		*room = whole[:0]
		bodies.Put(room)
	}
	if err == nil && a.redirects() && c.client.cfg.Transport == OkHTTP {
		return c.follow().post(j)
	}
	return c.client.answered(j, a, err)
}

// postRequest encodes a Request into c.out, in room. The head, which says how long the body is, is put before the body when that is
// there.
func (c *conn) postRequest(j job, room []byte) (whole []byte) {
	contentType := j.post.ContentType()
	head := j.route.appendHead(room[:0], contentType, j.trace())
	most := len(head) + maxDigits
	whole = append(head, make([]byte, maxDigits)...)
	whole = j.post.Append(whole)
	var digits [maxDigits]byte
	end := append(strconv.AppendInt(digits[:0], int64(len(whole)-most), 10), "\r\n\r\n"...)
	copy(whole[most-len(end):most], end)
	start := maxDigits - len(end)
	copy(whole[start:most-len(end)], whole[:len(head)])
	c.out = whole[start:]
	return whole
}

// answered makes an Answer of what came, or of what prevented it.
func (c *Client) answered(j job, a *answer, err error) *Answer {
	if err != nil {
		o := c.failure(j, err)
		return &Answer{Reason: o.Reason, Trouble: o.Class == core.OutcomeTrouble}
	}
	out := &Answer{Status: a.status, ContentType: a.otherType, Group: a.group, TooLarge: a.ok() && a.tooLarge}
	if reason := c.refusal(a); reason != "" {
		out.Reason = "POST " + j.route.text + ": " + reason
		if out.Trouble = a.troubles(); out.Trouble {
			out.RetryAfter = retryAfter(a.retryAfter, a.date, c.cfg.Now)
		}
		return out
	}
	if out.Body, err = decompress(a.body, a.encodings, c.cfg.PayloadMaxBytes); err != nil {
		out.Reason, out.TooLarge = "POST "+j.route.text+": "+err.Error(), errors.Is(err, errLarge)
	}
	return out
}
