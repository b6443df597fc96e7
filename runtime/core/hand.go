package core

// hand goes round over the instances in memory, as a clock's hand does, and evicts those that were not used since it last passed
// (Corbató, "A Paging Experiment with the Multics System", 1968).
type hand struct {
	at    *instance
	looks int // that instances added since the last look are good for
}

func (h *hand) add(in *instance) {
	h.looks += looksPerInstance
	if h.at == nil {
		in.older, in.newer = in, in
		h.at = in
		return
	}
	in.newer, in.older = h.at, h.at.older
	in.older.newer, in.newer.older = in, in
}

func (h *hand) remove(in *instance) {
	if in.newer == in {
		h.at = nil
		return
	}
	in.older.newer, in.newer.older = in.newer, in.older
	if h.at == in {
		h.at = in.newer
	}
	in.older, in.newer = nil, nil // who keeps it in use must not keep those in use that go after it
}

const (
	evictSteps       = 2048 // instances that one event looks at, beside those for new ones
	looksPerInstance = 4    // twice what it takes to pass over one and to evict it
)

// evict drops instances that nothing needs until the cache is within its budget. If it is far beyond, and those that could go wait for
// the stores to hold what they changed, it asks for a checkpoint.
func (w *Worker) evict(looks int) {
	looks += w.hand.looks
	w.hand.looks = 0
	young := 0
	for range looks {
		in := w.hand.at
		if in == nil || w.cacheBytes <= w.cfg.Memory/2 {
			return
		}
		w.hand.at = in.newer
		switch {
		case in.used:
			in.used = false
		case in.stored() && in.lastEpoch <= Epoch(in.shard.applied):
			w.forgetStored(in)
		case !in.idle() || in.ready:
		case in.lastEpoch <= Epoch(in.shard.applied):
			in.shard.forget(in)
		default:
			young++
		}
	}
	if young > looks/2 && w.cacheBytes > w.cfg.Memory*3/4 {
		w.hurry()
	}
}
