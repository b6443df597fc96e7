package http

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/stateway/stateway/faas/reqreply"
	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/runtime/core"
)

const roomKept = 64 << 10 // bytes of a request's room; a larger one is given back

// conn is a lane over one HTTP/1.1 connection, made anew when the server has closed it.
type conn struct {
	client *Client
	pool   *pool

	// Of the goroutine that runs exchange.
	codec  reqreply.Codec
	out    []byte
	in     reader
	quiet  quiet
	target string // address the connection leads to
	reused bool   // an answer has come over it

	mu     sync.Mutex
	c      net.Conn // nil while there is none; written by exchange with mu held
	closed bool     // guarded by mu
}

const (
	maxDigits = 24 // of a Content-Length, with the empty line behind it
	maxTrace  = len(traceHeader) + 4 + trace.TextSize
)

// errStale: the server closed a connection that had been idle before it sent a byte of an answer, or told that it would
// with a 408 that nobody had asked for.
var errStale = errors.New("stale connection")

func (c *conn) exchange(j job) core.Outcome {
	defer c.letGo()
	c.request(j)
	a, err := c.roundTrip(j)
	switch {
	case err != nil:
		return c.client.failure(j, err)
	case a.redirects() && c.client.cfg.Transport == OkHTTP:
		return c.follow().exchange(j)
	}
	return c.client.outcome(&c.codec, j.route, a)
}

// letGo ends an exchange: the lane may be idle for long, and what was large in it would stay in memory.
func (c *conn) letGo() {
	if cap(c.out) > roomKept {
		c.out = nil
	}
	c.in.h.answer.body = nil
}

// follow is the lane that takes a request where the server wants it.
func (c *conn) follow() *stdLane { return &stdLane{client: c.client, std: c.pool.std} }

// roundTrip sends what is in c.out, once more if the connection turns out to be stale, and reads the answer.
func (c *conn) roundTrip(j job) (*answer, error) {
	t := c.client.timing(j)
	c.in.h.wantsGroup = j.post != nil
	a, err := c.attempt(j.route, t)
	if errors.Is(err, errStale) {
		c.drop()
		a, err = c.attempt(j.route, t)
	}
	if err != nil || a.close {
		c.drop()
	}
	return a, err
}

// request encodes the whole request into c.out.
func (c *conn) request(j job) {
	n := c.codec.Prepare(j.inv)
	c.out = slices.Grow(c.out[:0], len(j.route.head)+maxTrace+maxDigits+n)
	if tr := j.trace(); tr == nil {
		c.out = append(c.out, j.route.head...)
	} else {
		c.out = j.route.appendHead(c.out, octetStream, tr)
	}
	c.out = strconv.AppendInt(c.out, int64(n), 10)
	c.out = append(c.out, "\r\n\r\n"...)
	c.out = c.codec.AppendRequest(c.out)
}

// attempt makes sure of a connection on which nothing waits to be taken for the answer, writes the request and reads the answer.
func (c *conn) attempt(r *route, t timing) (*answer, error) {
	deadline := t.first()
	if err := c.dial(r, deadline); err != nil {
		return nil, err
	}
	cfg := &c.client.cfg
	if err := c.c.SetDeadline(deadline); err != nil {
		return nil, c.lost("prepare", err)
	}
	if cfg.Write > 0 {
		if err := c.c.SetWriteDeadline(earlier(deadline, cfg.Write)); err != nil {
			return nil, c.lost("prepare", err)
		}
	}
	c.in.timing, c.in.deadline, c.in.each, c.in.any = t, deadline, cfg.Read, false
	_, werr := c.c.Write(c.out)
	if werr != nil && errors.Is(werr, os.ErrDeadlineExceeded) {
		return nil, c.lost("write", werr)
	}
	// A server may answer and close without reading the request to its end: look for the answer first.
	a, err := c.in.answer(cfg.PayloadMaxBytes)
	if err == nil && c.reused && a.close && a.status == 408 {
		return nil, errStale
	}
	if err == nil {
		a.close = a.close || werr != nil || c.in.buffered() > 0
		c.reused = true
		return a, nil
	}
	if werr != nil && !c.in.any {
		return nil, c.lost("write", werr)
	}
	return nil, c.lost("read", err)
}

func earlier(deadline time.Time, each time.Duration) time.Time {
	if t := time.Now().Add(each); t.Before(deadline) {
		return t
	}
	return deadline
}

// lost turns an error of the connection into errStale if the request may be sent once more.
func (c *conn) lost(doing string, err error) error {
	if c.reused && !c.in.any && !errors.Is(err, os.ErrDeadlineExceeded) {
		return errStale
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// connectError: there is no connection. The request was not sent.
type connectError struct{ err error }

func (e *connectError) Error() string { return "no connection: " + e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }

func (c *conn) dial(r *route, deadline time.Time) error {
	if c.c != nil && c.target == r.address && c.quiet.holds() {
		return nil
	}
	c.drop()
	ctx, cancel := context.WithDeadline(c.client.ctx, earlier(deadline, c.client.cfg.Connect))
	defer cancel()
	var d net.Dialer
	nc, err := d.DialContext(ctx, r.network, r.address)
	if err != nil {
		return &connectError{err}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		nc.Close()
		return &connectError{net.ErrClosed}
	}
	c.c, c.target, c.reused = nc, r.address, false
	c.in.reset(nc)
	c.quiet.reset(nc)
	return nil
}

// drop closes the connection; the next attempt makes another.
func (c *conn) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c != nil {
		c.c.Close()
		c.c = nil
	}
}

// close may be called by another goroutine than that of exchange: it leaves c.c to that one.
func (c *conn) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.c != nil {
		c.c.Close()
	}
}

// budget is how long a try may take.
func (c *Client) budget(j job) time.Duration {
	if j.post != nil {
		if b := j.post.Budget(); b > 0 {
			return b
		}
		return c.cfg.Call
	}
	inv := j.inv
	if b := time.Duration(inv.Budget) * time.Millisecond; inv.Budget > 0 && b < c.cfg.Call && b > 0 {
		return b
	}
	return c.cfg.Call
}
