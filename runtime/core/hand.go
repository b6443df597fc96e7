package core

// hand goes round over the instances in memory, as a clock's hand does, and evicts those that were not used since it last passed
// (Corbató, "A Paging Experiment with the Multics System", 1968).
type hand struct{ at *instance }

func (h *hand) add(in *instance) {
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
}

const evictSteps = 2048 // instances that one event looks at

// evict drops instances that nothing needs until the cache is within its budget.
func (w *Worker) evict() {
	for range evictSteps {
		in := w.hand.at
		if in == nil || w.cacheBytes <= w.cfg.Memory/2 {
			return
		}
		w.hand.at = in.newer
		switch {
		case in.used:
			in.used = false
		case in.idle() && !in.ready && in.lastEpoch <= Epoch(in.shard.applied):
			in.shard.forget(in)
		}
	}
}
