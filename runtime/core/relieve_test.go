package core

import "testing"

// A worker has nothing ready at first, and starves; not one that owns no shards, which never will have.
func TestWorkerWithoutShardsDoesNotStarve(t *testing.T) {
	for id, want := range []bool{true, false} {
		w := must(NewWorker(WorkerConfig{
			ID: WorkerID(id), Nodes: make([]NodeID, 2), Sharding: must(NewSharding(1)), Owners: make([]WorkerID, 1),
			App: &Application{Endpoints: []Endpoint{{}}, EndpointOf: func(FunctionType) (EndpointID, bool) { return 0, true }},
		}))
		if got := w.Starving(); got != want {
			t.Errorf("worker %d of one shard: starving is %v, want %v", id, got, want)
		}
	}
}
