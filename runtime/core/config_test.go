package core

import (
	"strings"
	"testing"
)

func TestShardsAreRangesOfHashes(t *testing.T) {
	for _, n := range []int{1, 2, 64, MaxShards} {
		s := must(NewSharding(n))
		if got := s.Of(0); got != 0 {
			t.Errorf("%d shards: the lowest hash belongs to %d", n, got)
		}
		if got := s.Of(^uint64(0)); int(got) != n-1 {
			t.Errorf("%d shards: the highest hash belongs to %d", n, got)
		}
		if s.Shards() != n {
			t.Errorf("%d shards: got %d", n, s.Shards())
		}
	}
	for _, n := range []int{-1, 0, 3, 63, MaxShards * 2} {
		if _, err := NewSharding(n); err == nil || !strings.Contains(err.Error(), "power of two") {
			t.Errorf("%d shards: %v", n, err)
		}
	}
}

// The hash is part of every stored application: it must never change.
func TestHashIsXXH64(t *testing.T) {
	if got := (Address{ID: ""}).Hash(); got != 0xef46db3751d8e999 {
		t.Errorf("hash of the empty id: %x", got)
	}
	if got := (Address{Type: "any/type", ID: "a"}).Hash(); got != 0xd24ec4f1a98c6e5b {
		t.Errorf("hash of a: %x", got)
	}
}

func TestRetryPauses(t *testing.T) {
	r := Retry{Initial: 100, Max: 1000, Multiplier: 2}.WithDefaults()
	for i, want := range []Millis{100, 200, 400, 800, 1000, 1000} {
		if got := r.Pause(i+1, 7); got != want {
			t.Errorf("after failure %d: %d, want %d", i+1, got, want)
		}
	}
	if got := r.Pause(1<<30, 7); got != 1000 {
		t.Errorf("after very many: %d", got)
	}
	r.Jitter = 0.5
	seen := map[Millis]bool{}
	for random := range uint64(1000) {
		p := r.Pause(9, random)
		if p < 500 || p > 1000 {
			t.Fatalf("jitter of a half: %d", p)
		}
		seen[p] = true
	}
	if len(seen) < 300 {
		t.Errorf("jitter gives %d different pauses", len(seen))
	}
}

func TestWorkerConfigIsChecked(t *testing.T) {
	app := &Application{EndpointOf: func(FunctionType) (EndpointID, bool) { return 0, false }}
	good := WorkerConfig{Sharding: must(NewSharding(2)), Owners: make([]WorkerID, 2), Nodes: []NodeID{0}, App: app}
	if _, err := NewWorker(good); err != nil {
		t.Errorf("a good one: %v", err)
	}
	fewOwners, noNodes, noEndpoints := good, good, good
	fewOwners.Owners, noNodes.Nodes, noEndpoints.App = nil, nil, &Application{}
	for name, cfg := range map[string]WorkerConfig{"owners": fewOwners, "nodes": noNodes, "endpoints": noEndpoints} {
		if _, err := NewWorker(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}
