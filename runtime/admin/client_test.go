package admin

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stateway/stateway/internal/version"
	"github.com/stateway/stateway/runtime/core"
)

func at(ms int64) *time.Time {
	t := time.UnixMilli(ms).UTC()
	return &t
}

func TestClientSeesWhatTheNodeKnows(t *testing.T) {
	f := newFake()
	c, _ := serveFake(t, f, nil)
	held := Address{
		Address: "shop/cart/Kim/2 ü?&", Status: "held", Waiting: 3, MoreWait: true, Attempts: 5,
		FirstFailure: at(1000), LastFailure: at(2000), NextTry: at(3000), Reasons: []string{"status 500", "boom"}, States: []string{"n"},
	}
	failing := Address{Address: "shop/cart/Lee", Status: "failing", Waiting: 1, Attempts: 1}

	status, err := c.Status(t.Context())
	compare(t, "status", status, err, Status{Application: "shop", Generation: 7, Ready: true, Build: version.Get()})
	list, err := c.Addresses(t.Context(), 0)
	compare(t, "all", list, err, Addresses{Addresses: []Address{held, failing}})
	list, err = c.Addresses(t.Context(), 1)
	compare(t, "one of two", list, err, Addresses{Addresses: []Address{held}, More: true})
	one, err := c.Address(t.Context(), kim())
	compare(t, "one", one, err, held)
	one, err = c.Address(t.Context(), core.Address{Type: "a/b", ID: "c"})
	compare(t, "unknown", one, err, Address{Address: "a/b/c", Status: "not in memory"})
}

func TestClientReadsStates(t *testing.T) {
	c, _ := serveFake(t, newFake(), nil)
	n := StateValue{Name: "n", Type: "io.statefun.types/long", Size: 9, Value: []byte("42"), LastAccess: at(5000)}
	raw := StateValue{Name: "raw", Type: "shop/Item", Size: 2, Base64: []byte{1, 2}}
	of := func(vs ...StateValue) State {
		return State{Address: kim().String(), Checkpoint: 12, States: append([]StateValue{}, vs...)}
	}

	all, err := c.States(t.Context(), kim())
	compare(t, "all", all, err, of(n, raw))
	one, err := c.State(t.Context(), kim(), "raw")
	compare(t, "one", one, err, of(raw))
	n.Value, raw.Base64 = nil, nil
	names, err := c.StateNames(t.Context(), kim())
	compare(t, "names", names, err, of(n, raw))
	empty, err := c.States(t.Context(), core.Address{Type: "a/b", ID: "c"})
	compare(t, "none", empty, err, State{Address: "a/b/c", Checkpoint: 12, States: []StateValue{}})

	_, err = c.State(t.Context(), kim(), "none")
	wantError(t, err, http.StatusNotFound, `has no value of state "none" in checkpoint 12`)
}

func TestClientMovesAddressesOn(t *testing.T) {
	f := newFake()
	c, _ := serveFake(t, f, nil)
	if err := errors.Join(c.Resume(t.Context(), kim()), c.Drop(t.Context(), kim())); err != nil {
		t.Fatal(err)
	}
	want := []string{"resume shop/cart/Kim/2 ü?&", "drop shop/cart/Kim/2 ü?&"}
	if diff := cmp.Diff(want, f.done); diff != "" {
		t.Error(diff)
	}
	wantError(t, c.Drop(t.Context(), core.Address{Type: "a/b", ID: "c"}), http.StatusConflict, "a/b/c is neither held nor failing")
}

func TestClientOfANodeThatWaits(t *testing.T) {
	f := newFake()
	f.leads, f.waiting = false, "another process"
	c, _ := serveFake(t, f, nil)
	_, err := c.Addresses(t.Context(), 0)
	wantError(t, err, http.StatusServiceUnavailable, "does not serve the application now")
	_, err = c.States(t.Context(), kim())
	wantError(t, err, http.StatusServiceUnavailable, "does not serve the application now")
	status, err := c.Status(t.Context())
	compare(t, "status", status, err, Status{Application: "shop", Generation: 7, Waiting: "another process", Build: version.Get()})
}

func TestClientOfSomethingElse(t *testing.T) {
	for _, answer := range []http.HandlerFunc{
		http.NotFound,
		func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) },
	} {
		s := httptest.NewServer(answer)
		c, err := NewClient(s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err = c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "does not answer like a stateway admin server") {
			t.Errorf("got %v", err)
		}
		s.Close()
		if _, err = c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "does --admin name it?") {
			t.Errorf("of a closed server: got %v", err)
		}
	}
}

func TestNewClientRefusesAddresses(t *testing.T) {
	for _, address := range []string{"", "localhost", "127.0.0.1:", "ftp://x", "http://", "http://x?y", "http://x#y", "http://%zz"} {
		if _, err := NewClient(address); err == nil {
			t.Errorf("%q was taken", address)
		}
	}
}

func compare[T any](t *testing.T, what string, got T, err error, want T) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

func wantError(t *testing.T, err error, status int, text string) {
	t.Helper()
	var refused *Error
	if !errors.As(err, &refused) || refused.Status != status || !strings.Contains(refused.Text, text) {
		t.Errorf("got %v, want status %d and %q", err, status, text)
	}
}
