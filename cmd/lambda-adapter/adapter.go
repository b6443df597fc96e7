package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/protocol/trace"
)

const (
	source = "stateway-lambda-adapter"
	// contentType is that of plain requests and of their answers.
	contentType = "application/octet-stream"
	// maxAnswer is the largest answer of a server that is read, in bytes: a larger one fits into no Lambda response.
	maxAnswer = group.MaxLambdaPayload
	// maxText is how much of a failure's text is kept, in bytes.
	maxText = 1024
	// maxKept is how much of the answers to a group is kept, in bytes: no more fits into an answer of any encoding.
	maxKept = group.MaxUnpacked
	// staleAfter is for how long connections to the server are kept without an invocation. Lambda may have stopped both sides meanwhile,
	// and a server closes what was idle for a few seconds just as it goes on: a call would be lost with its connection.
	staleAfter = time.Second
)

var known = group.Encodings(0).With(group.JSON).With(group.Packed)

// adapter turns groups into plain requests.
type adapter struct {
	cfg     config
	server  *server
	url     *url.URL
	encoder group.Encoder
	last    time.Time // when the last invocation was answered, by the wall clock, which goes on while Lambda stops the process
}

func newAdapter(cfg config, s *server) *adapter {
	u, err := url.Parse(cfg.url)
	if err != nil {
		panic("lambda-adapter: the address was checked: " + err.Error())
	}
	return &adapter{cfg: cfg, server: s, url: u}
}

// answer answers a payload before ctx ends. The error says that the payload is no group.
func (a *adapter) answer(ctx context.Context, payload []byte) ([]byte, error) {
	enc, ok := group.OfPayload(payload)
	if !ok {
		return nil, errors.New("the payload is no group of Stateway: a Lambda endpoint sends it, not an HTTP one")
	}
	calls, err := group.ParseCalls(enc, payload, nil)
	if err != nil {
		return nil, fmt.Errorf("the payload is no group of Stateway: %w", err)
	}
	if pause := time.Now().Round(0).Sub(a.last); pause < 0 || pause > staleAfter {
		a.server.client.CloseIdleConnections()
	}
	answers := a.askAll(ctx, calls)
	a.last = time.Now().Round(0)
	a.encoder.Reset(enc, nil, group.MaxLambdaPayload)
	for i := range answers {
		if answers[i].ID != "" {
			a.add(&answers[i], enc)
		}
	}
	return a.encoder.Finish(), nil
}

// add writes an answer. One that does not fit beside others is left out and asked for again alone; one that does not
// fit alone says so.
func (a *adapter) add(answer *group.Answer, enc group.Encoding) {
	if a.encoder.Len() == 0 {
		answer.Encodings = known
	}
	if a.encoder.AddAnswer(answer) || a.encoder.Len() > 0 {
		return
	}
	what := fmt.Sprintf("the answer has %d bytes, and %d bytes of %s fit into one", len(answer.Data), group.MaxLambdaPayload, enc)
	a.encoder.AddAnswer(&group.Answer{ID: answer.ID, Source: source, Kind: group.Poison, Message: what, Encodings: known})
}

// askAll asks the server for all calls, some at a time. It returns when each has an answer, which is no later than ctx
// ends. What is more than fits into an answer it leaves out, so that the node asks for it again.
func (a *adapter) askAll(ctx context.Context, calls []group.Call) []group.Answer {
	received := time.Now()
	answers := make([]group.Answer, len(calls))
	var next, kept atomic.Int64
	var workers sync.WaitGroup
	for range min(a.cfg.parallel, len(calls)) {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(calls) {
					return
				}
				answer := a.ask(ctx, &calls[i], received)
				if kept.Add(int64(len(answer.Data))) > maxKept {
					continue
				}
				answers[i] = answer
				answers[i].ID, answers[i].Source = calls[i].ID, source
			}
		})
	}
	workers.Wait()
	return answers
}

// ask asks the server for one call, within the call's own time.
func (a *adapter) ask(ctx context.Context, c *group.Call, received time.Time) group.Answer {
	if c.Err != nil {
		return group.Answer{Kind: group.Poison, Message: c.Err.Error()}
	}
	if c.TimeoutMillis > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, received.Add(time.Duration(c.TimeoutMillis)*time.Millisecond))
		defer cancel()
	}
	resp, err := a.send(ctx, c)
	if err != nil {
		return retry(err) // lost as the server ended, perhaps: other items of the group may be why
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return retry(err)
	}
	return classify(resp, body)
}

// send waits for the server and sends a call. A call that no server took goes to the next one.
func (a *adapter) send(ctx context.Context, c *group.Call) (*http.Response, error) {
	for {
		if err := a.server.waitReady(ctx, 0); err != nil {
			return nil, err
		}
		resp, err := a.server.client.Do(a.request(ctx, c))
		var netErr *net.OpError
		if err == nil || ctx.Err() != nil || !errors.As(err, &netErr) || netErr.Op != "dial" {
			return resp, err
		}
		sleep(ctx, probeEvery)
	}
}

func (a *adapter) request(ctx context.Context, c *group.Call) *http.Request {
	header := http.Header{"Content-Type": {contentType}}
	if tr := trace.Parse(c.Traceparent); tr != nil {
		header["traceparent"] = []string{tr.String()} // in lower case on the wire, as W3C recommends
	}
	req := &http.Request{
		Method: http.MethodPost, URL: a.url, Host: a.url.Host, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		GetBody:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c.Data)), nil }, // a kept connection may have been closed
		ContentLength: int64(len(c.Data)),
	}
	req.Body, _ = req.GetBody()
	return req.WithContext(ctx)
}

// classify reads an answer as a node reads that of an HTTP endpoint.
func classify(resp *http.Response, body []byte) group.Answer {
	switch resp.StatusCode {
	case http.StatusOK:
		return result(resp, body)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if after, ok := retryAfter(resp.Header.Get("Retry-After")); ok {
			return group.Answer{Kind: group.RetryAfter, RetryAfterMillis: after, Message: statusText(resp, body)}
		}
		return group.Answer{Kind: group.Retry, Message: statusText(resp, body)}
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return group.Answer{Kind: group.Retry, Message: statusText(resp, body)}
	}
	return group.Answer{Kind: group.Poison, Message: statusText(resp, body)}
}

func result(resp *http.Response, body []byte) group.Answer {
	t := resp.Header.Get("Content-Type")
	if mediaType, _, _ := strings.Cut(t, ";"); t != "" && !strings.EqualFold(strings.TrimSpace(mediaType), contentType) {
		return group.Answer{Kind: group.Poison, Message: fmt.Sprintf("the server's answer has content type %.80q, want %s", t, contentType)}
	}
	if len(body) > maxAnswer {
		return group.Answer{Kind: group.Poison, Message: fmt.Sprintf("the server's answer has more than %d bytes", maxAnswer)}
	}
	return group.Answer{Kind: group.Result, Data: body}
}

func statusText(resp *http.Response, body []byte) string {
	return fmt.Sprintf("status %d: %s", resp.StatusCode, strings.TrimSpace(string(body[:min(len(body), maxText)])))
}

// retryAfter reads the header in its form of whole seconds, in milliseconds.
func retryAfter(value string) (millis int64, ok bool) {
	seconds, err := strconv.ParseUint(value, 10, 21) // up to 24 days
	return int64(seconds) * 1000, err == nil         //nolint:gosec // 21 bits
}

func retry(err error) group.Answer {
	return group.Answer{Kind: group.Retry, Message: err.Error()}
}
