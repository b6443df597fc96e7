package playground

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
)

const (
	headerWait = 10 * time.Second // for a client to send its headers
	idleWait   = 2 * time.Minute  // between two requests of a connection
	writeWait  = 30 * time.Second // for a client to take an answer
	closeWait  = 5 * time.Second  // for answers to leave at Close
)

// Ingress is the HTTP server and its partitions.
type Ingress struct {
	opts    Options // constant
	lanes   []*lane // constant
	waiting atomic.Int64

	closing context.Context //nolint:containedctx // ends when Close begins
	shut    context.CancelFunc

	server *http.Server   // nil if made by New
	addr   net.Addr       // likewise
	served sync.WaitGroup // the goroutine that accepts
}

// New makes an ingress that does not listen: its ServeHTTP is called by others.
func New(opts Options) (*Ingress, error) {
	if err := opts.validate(); err != nil {
		return nil, fmt.Errorf("playground ingress: %w", err)
	}
	opts = opts.withDefaults()
	g := &Ingress{opts: opts}
	g.closing, g.shut = context.WithCancel(context.Background())
	for range opts.Lanes {
		g.lanes = append(g.lanes, newLane())
	}
	return g, nil
}

// Open makes an ingress and listens on opts.Addr. Requests wait until Read is called.
func Open(opts Options) (*Ingress, error) {
	g, err := New(opts)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", opts.Addr)
	if err != nil {
		return nil, fmt.Errorf("playground ingress: listen on %s (is the port taken by another process?): %w", opts.Addr, err)
	}
	g.addr = l.Addr()
	g.server = &http.Server{
		Handler:           g,
		ReadHeaderTimeout: headerWait,
		IdleTimeout:       idleWait,
		MaxHeaderBytes:    g.opts.MaxHeader,
		ErrorLog:          slog.NewLogLogger(g.opts.Log.Handler(), slog.LevelDebug),
	}
	g.served.Go(func() {
		if err := g.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			g.opts.Log.Error("playground ingress stopped accepting", "address", g.addr, "error", err)
		}
	})
	return g, nil
}

// Addr is the address listened on; nil if the ingress was made by New.
func (g *Ingress) Addr() net.Addr { return g.addr }

// Partitions lists the lanes, named http-0 and so on; all of them are volatile.
func (g *Ingress) Partitions(context.Context, []ingress.Partition) ([]ingress.Partition, error) {
	parts := make([]ingress.Partition, len(g.lanes))
	for i := range parts {
		parts[i] = ingress.Partition{ID: "http-" + strconv.Itoa(i), Volatile: true}
	}
	return parts, nil
}

// Read lets the lane's requests through to sink until ctx ends.
func (g *Ingress) Read(ctx context.Context, p ingress.Partition, sink ingress.Sink) error {
	for i, l := range g.lanes {
		if p.ID == "http-"+strconv.Itoa(i) {
			return l.run(ctx, sink)
		}
	}
	return fmt.Errorf("playground ingress has no partition %q: %w", p.ID, ingress.ErrHeld)
}

// Committed does nothing: nobody outside asks.
func (g *Ingress) Committed(core.CheckpointID, map[string][]byte) {}

// Close answers requests that wait with 503, and stops listening.
func (g *Ingress) Close() error {
	g.shut()
	if g.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	if err := g.server.Shutdown(ctx); err != nil {
		_ = g.server.Close() // connections that would not finish
	}
	g.served.Wait()
	return nil
}

// ServeHTTP takes one message.
func (g *Ingress) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := g.take(w, r)
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(writeWait)) // not supported by test recorders
	defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
	if p == nil {
		w.Header().Set("Status", "200")
		w.WriteHeader(http.StatusOK)
		return
	}
	if p.retryAfter {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Status", strconv.Itoa(p.status))
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.status)
	fmt.Fprintln(w, p.text)
}

// take returns nil once the message is in a committed checkpoint.
func (g *Ingress) take(w http.ResponseWriter, r *http.Request) *problem {
	msg, typename, p := g.parseHead(r)
	if p != nil {
		return p
	}
	size := r.ContentLength
	if size < 0 {
		size = g.opts.MaxBody // not told; chunked
	}
	if g.waiting.Add(size) > g.opts.MaxWaiting {
		g.waiting.Add(-size)
		return unavailable("not taken: too many bytes are waiting")
	}
	defer g.waiting.Add(-size)

	control := http.NewResponseController(w)
	// A deadline of this request alone: the server's own would also end the wait for the checkpoint.
	_ = control.SetReadDeadline(time.Now().Add(g.opts.BodyWait)) // not supported by test recorders
	if msg.Arg, p = g.readBody(w, r, typename); p != nil {
		return p
	}
	_ = control.SetReadDeadline(time.Time{})
	return g.hand(r.Context(), msg)
}

// hand puts the message and waits for its checkpoint.
func (g *Ingress) hand(ctx context.Context, msg *core.Message) *problem {
	acked := make(chan error, 1)
	b := ingress.Batch{Messages: []*core.Message{msg}, Ack: func(err error) { acked <- err }}
	l := g.lanes[msg.Target.Hash()%uint64(len(g.lanes))]
	if err := g.put(ctx, l, b); err != nil {
		return unavailable("not taken: the node is busy, restoring or stopping")
	}
	late := time.NewTimer(g.opts.CommitWait)
	defer late.Stop()
	select {
	case err := <-acked:
		return ackProblem(err)
	case <-g.closing.Done():
	case <-ctx.Done():
	case <-late.C:
		return bad(http.StatusGatewayTimeout, "no checkpoint in %s: the message may still take effect; "+
			"repeating it with the same ce-source and ce-id is safe", g.opts.CommitWait)
	}
	select {
	case err := <-acked: // at the same moment: the better answer
		return ackProblem(err)
	default:
		return ackProblem(ingress.ErrStopped)
	}
}

// put is bounded by CreditWait and Close.
func (g *Ingress) put(ctx context.Context, l *lane, b ingress.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, g.opts.CreditWait)
	defer cancel()
	defer context.AfterFunc(g.closing, cancel)()
	return l.put(ctx, b)
}

func ackProblem(err error) *problem {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ingress.ErrRolledBack):
		return unavailable("undone: the node restored an earlier checkpoint; send it again")
	}
	return unavailable("unknown outcome: %v; the message may have taken effect, repeating it with the same ce-source and ce-id is safe", err)
}

func unavailable(format string, args ...any) *problem {
	p := bad(http.StatusServiceUnavailable, format, args...)
	p.retryAfter = true
	return p
}
