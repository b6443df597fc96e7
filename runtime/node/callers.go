package node

import (
	"fmt"

	"github.com/stateway/stateway/runtime/core"
)

// openCallers opens all endpoints.
func (g *generation) openCallers() error {
	for i, e := range g.node.cfg.Parts.Endpoints {
		id := core.EndpointID(i) //nolint:gosec // a short list
		c, err := e.Open(CallerEnv{Application: g.node.app.ID, Deliver: g.deliver, Now: g.now, Check: g.checker.Check, Window: func(limit int) {
			share := max(1, (limit+len(g.workers)-1)/len(g.workers))
			g.broadcast(core.Window{Endpoint: id, Limit: share})
		}})
		if err != nil {
			return fmt.Errorf("open endpoint %s: %w", e.Core.Name, err)
		}
		g.callers = append(g.callers, c)
	}
	return nil
}

// deliver gives outcomes to the workers that made the tries.
func (g *generation) deliver(results []core.Result) {
	counts := make([]int, len(g.workers))
	for i := range results {
		counts[results[i].Invocation.Try.Worker]++
	}
	for w, n := range counts {
		if n == 0 {
			continue
		}
		own := g.roomForResults(n)
		for i := range results {
			if int(results[i].Invocation.Try.Worker) == w {
				own = append(own, results[i])
			}
		}
		g.workers[w].inbox.put(core.Results{Results: own})
	}
}

// roomForResults is memory for n results.
func (g *generation) roomForResults(n int) []core.Result {
	if room, _ := g.resultRooms.Get().(*[]core.Result); room != nil && cap(*room) >= n {
		return (*room)[:0]
	}
	return make([]core.Result, 0, max(n, leastResultRoom))
}

// reuse takes the memory of results back that a worker has processed.
func (g *generation) reuse(results []core.Result) {
	if cap(results) > mostResultRoom {
		return
	}
	clear(results)
	g.resultRooms.Put(&results)
}

const (
	leastResultRoom = 16   // results
	mostResultRoom  = 4096 // results; more memory is given back
)
