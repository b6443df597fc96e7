package http

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"sync"

	"github.com/stateway/stateway/faas/handover"
	"github.com/stateway/stateway/runtime/core"
)

const maxRoutes = 4096 // function types and hosts remembered; names come with messages and have no end

// Client sends invocations to one endpoint. Make it with New.
type Client struct {
	cfg    Config
	out    *handover.Queue
	ctx    context.Context //nolint:containedctx // ends all dials and requests at Close
	cancel context.CancelFunc
	tls    *tls.Config
	tasks  sync.WaitGroup // running lanes

	mu     sync.Mutex
	routes map[core.FunctionType]*destination
	pools  map[string]*pool // by scheme, network and address
	closed bool
}

// destination is a route and the pool that serves it, or why there is none.
type destination struct {
	route *route
	pool  *pool
	err   error
}

// New makes a Client. It reads the TLS files, connects to nothing, and refuses a config whose fields contradict each
// other or whose URL can never be one. done gets the results: several at a time when they come fast, from one
// goroutine at a time, valid only during the call. It must not block.
func New(cfg Config, done func([]core.Result)) (*Client, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("endpoint %s: %w", cfg.URL, err)
	}
	_, err := newRoute(cfg.URL, "namespace/name")
	if err != nil {
		return nil, fmt.Errorf("endpoint %s: %w", cfg.URL, err)
	}
	c := &Client{cfg: cfg, routes: make(map[core.FunctionType]*destination), pools: make(map[string]*pool)}
	c.out = handover.New(done)
	if c.tls, err = newTLS(&c.cfg); err != nil {
		return nil, fmt.Errorf("endpoint %s: %w", cfg.URL, err)
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// Send takes invocations to be sent, in this order where connections are scarce. It never blocks and does not keep the
// slice. After Close it does nothing.
func (c *Client) Send(invs []*core.Invocation) {
	for len(invs) > 0 {
		d := c.destination(invs[0].Target.Type)
		n := 1
		for n < len(invs) && invs[n].Target.Type == invs[0].Target.Type {
			n++
		}
		switch {
		case d == nil:
			return
		case d.err != nil:
			c.refuse(invs[:n], d.err)
		case !d.pool.send(d.route, invs[:n]):
			continue // the pool was forgotten just now, or the client is closed
		}
		invs = invs[n:]
	}
}

func (c *Client) refuse(invs []*core.Invocation, err error) {
	for _, inv := range invs {
		c.out.Put(core.Result{Invocation: inv, Outcome: core.Outcome{Class: core.OutcomeFailed, Reason: err.Error()}})
	}
}

// destination returns where t's invocations go, nil when the client is closed.
func (c *Client) destination(t core.FunctionType) *destination {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	if d := c.routes[t]; d != nil {
		return d
	}
	if len(c.routes) >= maxRoutes {
		c.forgetLocked()
	}
	d := &destination{}
	if d.route, d.err = newRoute(c.cfg.URL, t); d.err == nil {
		d.pool = c.poolLocked(d.route)
	}
	c.routes[t] = d
	return d
}

func (c *Client) poolLocked(r *route) *pool {
	key := r.url.Scheme + " " + r.network + " " + r.address
	p := c.pools[key]
	if p == nil {
		p = newPool(c, r)
		c.pools[key] = p
	}
	return p
}

// forgetLocked drops the routes, and the pools that nobody uses.
func (c *Client) forgetLocked() {
	clear(c.routes)
	for key, p := range c.pools {
		if p.closeUnused() {
			delete(c.pools, key)
		}
	}
}

// Close ends all requests and connections and waits for the goroutines. Invocations without a result get none.
func (c *Client) Close() {
	c.out.Close()
	c.mu.Lock()
	c.closed = true
	pools := c.pools
	c.pools, c.routes = nil, nil
	c.mu.Unlock()
	c.cancel()
	for _, p := range pools {
		p.close()
	}
	c.tasks.Wait()
	for _, p := range pools {
		p.close() // connections that came back meanwhile
	}
}

// String names the endpoint by its URL.
func (c *Client) String() string { return strings.TrimSpace(c.cfg.URL) }
