package admin

import (
	"context"
	"errors"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stateway/stateway/protocol/wire"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/node"
)

// fakeNode holds Addresses of one failing kind. With the leads field false it answers as a node that waits.
type fakeNode struct {
	leads   bool
	waiting string
	hang    bool // until the caller gives up

	mu      sync.Mutex
	failing []core.AddressInfo
	states  map[core.Address][]core.StoredState
	done    []string // what was resumed and dropped

	ingresses []node.IngressStatus
	letters   []node.DeadLetter // in the order of their ids
}

func (f *fakeNode) Waiting() string { return f.waiting }

func (f *fakeNode) Nonce() string {
	if !f.leads {
		return ""
	}
	return "beef"
}

func (f *fakeNode) Generation() core.Generation { return 7 }

func (f *fakeNode) Addresses(ctx context.Context, limit int) ([]core.AddressInfo, error) {
	if !f.leads {
		return nil, node.ErrNotLeading
	}
	if f.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return f.failing[:min(limit, len(f.failing))], nil
}

func (f *fakeNode) Address(_ context.Context, a core.Address) (core.AddressInfo, error) {
	for _, i := range f.failing {
		if i.Address == a {
			return i, nil
		}
	}
	return core.AddressInfo{Address: a, Status: "not in memory"}, nil
}

func (f *fakeNode) Resume(_ context.Context, a core.Address) error { return f.change("resume", a) }
func (f *fakeNode) Drop(_ context.Context, a core.Address) error   { return f.change("drop", a) }

func (f *fakeNode) change(what string, a core.Address) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.failing {
		if i.Address == a {
			f.done = append(f.done, what+" "+a.String())
			return nil
		}
	}
	return errors.New(a.String() + " is neither held nor failing")
}

func (f *fakeNode) State(a core.Address) ([]core.StoredState, core.CheckpointID, error) {
	if !f.leads {
		return nil, 0, node.ErrNotLeading
	}
	return f.states[a], 12, nil
}

func (f *fakeNode) Ingresses() ([]node.IngressStatus, error) {
	if !f.leads {
		return nil, node.ErrNotLeading
	}
	return f.ingresses, nil
}

func kim() core.Address { return core.Address{Type: "shop/cart", ID: "Kim/2 ü?&"} }

func newFake() *fakeNode {
	long := wire.AppendTypedValue(nil, "io.statefun.types/long", []byte{9, 42, 0, 0, 0, 0, 0, 0, 0})
	return &fakeNode{
		leads: true,
		failing: []core.AddressInfo{
			{Address: kim(), Status: "held", Waiting: 3, OnDisk: true, Attempts: 5, First: 1000, Last: 2000, RetryAt: 3000, Reasons: []string{"status 500", "boom"}, States: []string{"n"}},
			{Address: core.Address{Type: "shop/cart", ID: "Lee"}, Status: "failing", Waiting: 1, Attempts: 1},
		},
		states: map[core.Address][]core.StoredState{kim(): {
			{Name: "n", Value: long, Access: 5000, HasAccess: true},
			{Name: "none"},
			{Name: "raw", Value: wire.AppendTypedValue(nil, "shop/Item", []byte{1, 2})},
		}},
	}
}

// serveFake serves a node on loopback and returns a client for it and its base URL.
func serveFake(t *testing.T, f *fakeNode, change func(*Config)) (*Client, string) {
	t.Helper()
	c := Config{Node: f, Application: "shop"}
	if change != nil {
		change(&c)
	}
	s := httptest.NewServer(Handler(c))
	t.Cleanup(s.Close)
	client, err := NewClient(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return client, s.URL
}
