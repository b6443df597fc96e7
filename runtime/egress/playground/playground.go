package playground

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stateway/stateway/runtime/egress"
)

const (
	headerWait = 10 * time.Second // for a client to send its request
	idleWait   = 2 * time.Minute  // between two requests of a connection
	writeWait  = 30 * time.Second // for a client to take an answer
	closeWait  = 5 * time.Second  // for answers to leave at Close
	maxHeader  = 64 << 10
)

// Options describe a playground egress.
type Options struct {
	// Addr is host:port to listen on; without host, on every interface.
	Addr string
	// Topics are the queues there are; at least one.
	Topics []string
	// Lanes is how many workers emit. Zero means 1.
	Lanes int
	// Records and Bytes bound what a lane has in memory, over all topics; the rest waits in the
	// shards, also behind a topic that nobody reads. Zero means 65,536 records and 32 MiB.
	Records int
	Bytes   int64
	// Log takes connection errors, at debug level. Nil means nowhere.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Lanes == 0 {
		o.Lanes = 1
	}
	if o.Records == 0 {
		o.Records = 1 << 16
	}
	if o.Bytes == 0 {
		o.Bytes = 32 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if len(o.Topics) == 0 || slices.Contains(o.Topics, "") {
		errs = append(errs, errors.New("topics: at least one is needed, and none can be empty"))
	}
	if o.Lanes < 0 || o.Records < 0 || o.Bytes < 0 {
		errs = append(errs, fmt.Errorf("options Lanes %d, Records %d and Bytes %d: none can be below zero", o.Lanes, o.Records, o.Bytes))
	}
	return errors.Join(errs...)
}

// Egress is the queues and the HTTP server before them.
type Egress struct {
	opts   Options        // constant
	window *egress.Window // safe for concurrent use

	mu     sync.Mutex        // never held while writing an answer or calling done
	topics map[string]*queue // its keys are constant; queues guarded by mu
	closed bool              // guarded by mu

	takers sync.WaitGroup // answers being written
	server *http.Server   // nil if made by New
	addr   net.Addr       // likewise
	served sync.WaitGroup // the goroutine that accepts
}

// New makes an egress that does not listen: its ServeHTTP is called by others.
func New(opts Options) (*Egress, error) {
	if err := opts.validate(); err != nil {
		return nil, fmt.Errorf("playground egress: %w", err)
	}
	opts = opts.withDefaults()
	e := &Egress{
		opts: opts, topics: map[string]*queue{}, window: egress.NewWindow(opts.Lanes, opts.Records, opts.Bytes),
	}
	for _, t := range opts.Topics {
		e.topics[t] = &queue{}
	}
	return e, nil
}

// Open makes an egress and listens on opts.Addr.
func Open(opts Options) (*Egress, error) {
	e, err := New(opts)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", opts.Addr)
	if err != nil {
		return nil, fmt.Errorf("playground egress: listen on %s (is the port taken by another process?): %w", opts.Addr, err)
	}
	e.addr = l.Addr()
	e.server = &http.Server{
		Handler:           e,
		ReadHeaderTimeout: headerWait,
		ReadTimeout:       2 * writeWait, // longer than an answer may take: it ends the context of a request
		WriteTimeout:      writeWait,
		IdleTimeout:       idleWait,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(e.opts.Log.Handler(), slog.LevelDebug),
	}
	e.served.Go(func() {
		if err := e.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			e.opts.Log.Error("playground egress stopped accepting", "address", e.addr, "error", err)
		}
	})
	return e, nil
}

// Addr is the address listened on; nil if the egress was made by New.
func (e *Egress) Addr() net.Addr { return e.addr }

// Validate accepts records that name one of the topics, and any value if there is only one topic.
func (e *Egress) Validate(typename string, value []byte) error {
	p, err := egress.Normalise(typename, value)
	if err != nil {
		return err
	}
	_, err = e.topicOf(p)
	return err
}

func (e *Egress) topicOf(p egress.Payload) (string, error) {
	if p.Stream == "" && len(e.opts.Topics) == 1 {
		return e.opts.Topics[0], nil
	}
	if _, ok := e.topics[p.Stream]; ok {
		return p.Stream, nil
	}
	configured := strings.Join(e.opts.Topics[:min(len(e.opts.Topics), 10)], ", ")
	if p.Stream == "" {
		return "", fmt.Errorf("a value of type %s names no topic, and the playground egress has several: %s", p.Typename, configured)
	}
	return "", fmt.Errorf("topic %q is not one of the playground egress: %s", p.Stream, configured)
}

// Emit queues records for as far as the lane's window has room. They are done when they are taken.
func (e *Egress) Emit(lane int, recs []egress.Record, done egress.Done) int {
	n := e.window.Reserve(lane, recs)
	recs = recs[:n]
	entries, topics, errs := make([]entry, n), make([]string, n), make([]error, n)
	for i := range recs {
		entries[i] = entry{lane: lane, size: egress.WindowSize(&recs[i]), done: done, index: i}
		topics[i], errs[i] = e.render(&recs[i], &entries[i])
	}
	e.mu.Lock()
	for i, topic := range topics {
		if errs[i] == nil && e.closed {
			errs[i] = egress.ErrClosed
		}
		if errs[i] == nil {
			e.topics[topic].push(entries[i])
		}
	}
	e.mu.Unlock()
	for i, err := range errs {
		if err != nil {
			e.finish(entries[i], err)
		}
	}
	return n
}

// render sets the body of a record and tells its topic.
func (e *Egress) render(r *egress.Record, to *entry) (topic string, err error) {
	p, err := egress.Normalise(r.Typename, r.Value)
	if err == nil {
		topic, err = e.topicOf(p)
	}
	if err != nil { // Validate let it through under another module
		return "", fmt.Errorf("%w: %w", egress.ErrRefused, err)
	}
	to.body = p.Value
	if text, ok := p.Text(); ok {
		to.body, to.text = []byte(text), true
	}
	return topic, nil
}

// finish gives the record's room back and answers its done.
func (e *Egress) finish(x entry, err error) {
	e.window.Release(x.lane, 1, x.size)
	x.finish(err)
}

// Len is how many records of a topic are in memory.
func (e *Egress) Len(topic string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if q := e.topics[topic]; q != nil {
		return q.len()
	}
	return 0
}

// Close stops listening, lets answers leave, and answers the records not taken with ErrClosed.
func (e *Egress) Close() error {
	e.mu.Lock()
	e.closed = true // no taker enters any more
	e.mu.Unlock()
	if e.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeWait)
		defer cancel()
		if err := e.server.Shutdown(ctx); err != nil {
			_ = e.server.Close() // connections that would not finish
		}
		e.served.Wait()
	}
	e.takers.Wait()
	for _, t := range e.opts.Topics {
		for {
			e.mu.Lock()
			x, ok := e.topics[t].pop()
			e.mu.Unlock()
			if !ok {
				break
			}
			e.finish(x, egress.ErrClosed)
		}
	}
	return nil
}
