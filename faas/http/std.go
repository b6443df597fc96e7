package http

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/stateway/stateway/faas/reqreply"
	"github.com/stateway/stateway/runtime/core"
)

// newStd makes the net/http client for the host of r.
func newStd(cfg *Config, tlsConfig *tls.Config, r *route) *nethttp.Client {
	dialer := &net.Dialer{Timeout: cfg.Connect}
	t := &nethttp.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if r.network == "unix" {
				network, address = r.network, r.address
			}
			return dialer.DialContext(ctx, network, address)
		},
		TLSClientConfig:        tlsConfig.Clone(),
		TLSHandshakeTimeout:    cfg.Connect,
		ForceAttemptHTTP2:      true,
		Protocols:              protocols(cfg, r),
		MaxIdleConns:           0,
		MaxIdleConnsPerHost:    cfg.PoolSize,
		IdleConnTimeout:        max(cfg.PoolTTL, 0),
		ResponseHeaderTimeout:  cfg.Read,
		MaxResponseHeaderBytes: maxHead,
		DisableCompression:     true, // asked for and undone here, so that limits count after it
	}
	if cfg.Proxy != nil {
		t.Proxy = nethttp.ProxyURL(cfg.Proxy)
	}
	c := &nethttp.Client{Transport: t}
	if cfg.Transport != OkHTTP {
		c.CheckRedirect = func(*nethttp.Request, []*nethttp.Request) error { return nethttp.ErrUseLastResponse }
	}
	return c
}

// protocols are nil, which leaves it to ForceAttemptHTTP2, unless HTTP/2 is spoken without asking.
func protocols(cfg *Config, r *route) *nethttp.Protocols {
	if !cfg.HTTP2 || r.tls {
		return nil
	}
	p := &nethttp.Protocols{}
	p.SetUnencryptedHTTP2(true)
	return p
}

// stdLane is a lane over net/http.
type stdLane struct {
	client *Client
	std    *nethttp.Client
	codec  reqreply.Codec
}

func (l *stdLane) close() {} // the client's context ends what runs

func (l *stdLane) exchange(j job) core.Outcome {
	a, err := l.answer(j)
	if err != nil {
		return l.client.failure(j, err)
	}
	return l.client.outcome(&l.codec, j.route, a)
}

func (l *stdLane) post(j job) *Answer {
	a, err := l.answer(j)
	return l.client.answered(j, a, err)
}

func (l *stdLane) answer(j job) (*answer, error) {
	t := l.client.timing(j)
	ctx, cancel := context.WithDeadline(l.client.ctx, t.first())
	defer cancel()
	if t.patience > 0 {
		var stop context.CancelFunc
		ctx, stop = untilAnswered(ctx, t)
		defer stop()
	}
	a, err := l.roundTrip(ctx, cancel, j)
	if err != nil && ctx.Err() != nil {
		err = errors.Join(err, context.Cause(ctx))
	}
	return a, err
}

// untilAnswered bounds an answer from its first byte on.
func untilAnswered(ctx context.Context, t timing) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	limit := time.AfterFunc(time.Until(t.first()), func() { cancel(context.DeadlineExceeded) })
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotFirstResponseByte: func() { limit.Reset(time.Until(t.last(time.Now()))) },
	})
	return ctx, func() {
		limit.Stop()
		cancel(nil)
	}
}

// body encodes a job. net/http may read it after the answer has come: it is not reused.
func (l *stdLane) body(j job) (body []byte, contentType string) {
	if j.post != nil {
		return j.post.Append(nil), j.post.ContentType()
	}
	n := l.codec.Prepare(j.inv)
	return l.codec.AppendRequest(make([]byte, 0, n)), octetStream
}

func (l *stdLane) request(ctx context.Context, j job) (*nethttp.Request, error) {
	body, contentType := l.body(j)
	req, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodPost, j.route.url.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Host = j.route.host
	req.Header = nethttp.Header{
		"User-Agent":      {"statefun"},
		"Content-Type":    {contentType},
		"Accept":          {contentType},
		"Accept-Encoding": {"gzip,deflate"},
		"Idempotency-Key": {}, // not sent; it allows net/http to try a stale connection's request again
	}
	if tr := j.trace(); tr != nil {
		req.Header[traceHeader] = []string{tr.String()}
	}
	return req, nil
}

func (l *stdLane) roundTrip(ctx context.Context, cancel context.CancelFunc, j job) (*answer, error) {
	cfg := &l.client.cfg
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{
		GetConn: func(string) { connected.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}
	if cfg.Write > 0 {
		limit := time.AfterFunc(cfg.Connect+cfg.Write, cancel)
		defer limit.Stop()
		trace.GotConn = func(httptrace.GotConnInfo) { connected.Store(true); limit.Reset(cfg.Write) }
		trace.WroteRequest = func(httptrace.WroteRequestInfo) { limit.Stop() }
	}
	req, err := l.request(httptrace.WithClientTrace(ctx, trace), j)
	if err != nil {
		return nil, err
	}
	resp, err := l.std.Do(req) //nolint:gosec // the module file names the URL
	if err != nil && !connected.Load() {
		return nil, &connectError{err}
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return l.read(resp, cancel)
}

func (l *stdLane) read(resp *nethttp.Response, cancel context.CancelFunc) (*answer, error) {
	a := &answer{
		status:     resp.StatusCode,
		retryAfter: resp.Header.Get("Retry-After"),
		date:       resp.Header.Get("Date"),
		group:      resp.Header.Values(groupHeader),
	}
	a.contentType([]byte(resp.Header.Get("Content-Type")))
	for _, v := range resp.Header.Values("Content-Encoding") {
		a.addEncoding([]byte(v))
	}
	cfg := &l.client.cfg
	limit := cfg.PayloadMaxBytes
	if !a.ok() {
		limit = min(limit, maxErrorBody)
	}
	var body io.Reader = resp.Body
	if cfg.Read > 0 {
		watch := time.AfterFunc(cfg.Read, cancel)
		defer watch.Stop()
		body = &watched{body, watch, cfg.Read}
	}
	var err error
	a.body, err = io.ReadAll(io.LimitReader(body, limit+1))
	if int64(len(a.body)) > limit {
		a.body, a.tooLarge = a.body[:limit], true
	}
	return a, err
}

// watched bounds the wait for each read.
type watched struct {
	r     io.Reader
	timer *time.Timer
	each  time.Duration
}

func (w *watched) Read(p []byte) (int, error) {
	w.timer.Reset(w.each)
	return w.r.Read(p)
}
