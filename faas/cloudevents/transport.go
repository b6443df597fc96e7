package cloudevents

import (
	"time"

	"github.com/stateway/stateway/faas/endpoint"
	codec "github.com/stateway/stateway/faas/group"
	"github.com/stateway/stateway/faas/http"
	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/runtime/core"
)

// Config describes the server at one address.
type Config struct {
	// HTTP says where it is and how it is spoken to. HTTP.Call is an invocation's time where its own budget is not shorter. All function
	// types that are sent through one Transport must lead to the same URL.
	HTTP http.Config
	// Source is the application, as Source of faas/group has it.
	Source string
	// Patience is how much longer a connection and the first byte of an answer may be waited for while the server is cold. Zero means no
	// longer.
	Patience time.Duration
	// Idle is after how long without an answer the server counts as cold. Default: 30 s.
	Idle time.Duration
	// Allowance is how much longer than its items a group may take, for the way there and back. Default: 5 s.
	Allowance time.Duration
}

const (
	defaultIdle      = 30 * time.Second
	defaultAllowance = 5 * time.Second
)

// Transport sends groups to one address. Make it with New.
type Transport struct {
	cfg    Config
	asker  *codec.Asker
	client *http.Client
	done   func([]endpoint.GroupResult)
	server server
}

// New makes a Transport; it refuses what http.New refuses and connects to nothing. done gets the results, from many goroutines.
func New(cfg Config, done func([]endpoint.GroupResult)) (*Transport, error) {
	if cfg.HTTP.Call <= 0 {
		cfg.HTTP.Call = 2 * time.Minute
	}
	if cfg.Idle <= 0 {
		cfg.Idle = defaultIdle
	}
	if cfg.Allowance <= 0 {
		cfg.Allowance = defaultAllowance
	}
	client, err := http.New(cfg.HTTP, func([]core.Result) {})
	if err != nil {
		return nil, err
	}
	return &Transport{cfg: cfg, asker: &codec.Asker{Source: cfg.Source, Call: cfg.HTTP.Call}, client: client, done: done}, nil
}

// Send takes groups to be sent. It never blocks.
func (t *Transport) Send(gs []*core.Group) {
	for _, g := range gs {
		t.send(g, t.server.encoding(), time.Now())
	}
}

// send sends a group in an encoding, or, if that is zero, each of its items as a plain request.
func (t *Transport) send(g *core.Group, enc group.Encoding, since time.Time) {
	if enc == 0 {
		t.sendPlain(g, since)
		return
	}
	t.client.Post(&request{transport: t, group: g, enc: enc, since: since})
}

// Close ends all requests and waits for the goroutines.
func (t *Transport) Close() { t.client.Close() }

// patience is how much longer the answer to a request that is sent now may be waited for.
func (t *Transport) patience() time.Duration {
	if t.cfg.Patience > 0 && t.server.cold(t.cfg.Idle) {
		return t.cfg.Patience
	}
	return 0
}

// report hands over what became of a group that was sent first at a time.
func (t *Transport) report(g *core.Group, o core.GroupOutcome, since time.Time, longest time.Duration) {
	o.Together = t.server.together()
	if over := time.Since(since) - longest; over > 0 {
		o.Waited = core.Millis(over.Milliseconds())
	}
	t.done([]endpoint.GroupResult{{Group: g, Outcome: o}})
}
