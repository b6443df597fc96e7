package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/stateway/stateway/runtime/core"
)

// ErrNotLeading means that this process does not serve the application now.
var ErrNotLeading = errors.New("this process does not serve the application now")

// Waiting tells what the node waits for before it is ready; empty if it is ready.
func (n *Node) Waiting() string {
	g := n.generation()
	if g == nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.say
	}
	switch left := g.pending.Load(); {
	case g.ready.Load():
		return ""
	case left > 0:
		return fmt.Sprintf("restore of %d of %d shards", left, len(g.stores))
	case !g.ingresses.isReading():
		return waitForPartitions(g.ingresses.problems())
	}
	return "stop"
}

// workerStatus adds up what the workers say of themselves.
func (g *generation) workerStatus() workerStatus {
	sum := workerStatus{types: map[core.FunctionType]core.TypeStats{}, egress: make([]int, len(g.egresses))}
	for _, w := range g.workers {
		reply := make(chan workerStatus, 1)
		w.inbox.put(describe{reply})
		select {
		case s := <-reply:
			sum.add(s)
		case <-w.ended:
		}
	}
	return sum
}

func (s *workerStatus) add(o workerStatus) {
	s.epoch = max(s.epoch, o.epoch)
	s.stats = s.stats.Plus(o.stats)
	s.gauges = s.gauges.Plus(o.gauges)
	for t, st := range o.types {
		s.types[t] = s.types[t].Plus(st)
	}
	for i, n := range o.egress {
		s.egress[i] += n
	}
}

// Addresses tells what the node knows of the failing and held Addresses, at most limit of them.
func (n *Node) Addresses(ctx context.Context, limit int) ([]core.AddressInfo, error) {
	g := n.generation()
	if g == nil {
		return nil, ErrNotLeading
	}
	var all []core.AddressInfo
	for _, w := range g.workers {
		answer, err := g.ask(ctx, w, func(id uint64) core.Event { return core.Inspect{Request: id, Limit: limit} })
		if err != nil {
			return nil, err
		}
		all = append(all, answer.(core.Inspected).Addresses...)
	}
	if limit > 0 && len(all) > limit {
		all = all[:limit]
	}
	return all, nil
}

// Address tells what the node knows of one Address.
func (n *Node) Address(ctx context.Context, a core.Address) (core.AddressInfo, error) {
	g, w, err := n.workerOf(a)
	if err != nil {
		return core.AddressInfo{}, err
	}
	answer, err := g.ask(ctx, w, func(id uint64) core.Event { return core.Inspect{Request: id, Address: a} })
	if err != nil {
		return core.AddressInfo{}, err
	}
	if found := answer.(core.Inspected).Addresses; len(found) > 0 {
		return found[0], nil
	}
	return core.AddressInfo{Address: a, Status: "not in memory"}, nil
}

// Resume tries a held Address again; Drop drops its head message. The error says why it was not done.
func (n *Node) Resume(ctx context.Context, a core.Address) error {
	return n.operate(ctx, a, func(id uint64) core.Event { return core.Resume{Request: id, Address: a} })
}

// Drop drops the head message of a held or failing Address.
func (n *Node) Drop(ctx context.Context, a core.Address) error {
	return n.operate(ctx, a, func(id uint64) core.Event { return core.Drop{Request: id, Address: a} })
}

func (n *Node) operate(ctx context.Context, a core.Address, event func(uint64) core.Event) error {
	g, w, err := n.workerOf(a)
	if err != nil {
		return err
	}
	answer, err := g.ask(ctx, w, event)
	if err != nil {
		return err
	}
	if p := answer.(core.OperatorDone).Problem; p != "" {
		return errors.New(p)
	}
	return nil
}

func (n *Node) workerOf(a core.Address) (*generation, *workerLoop, error) {
	g := n.generation()
	if g == nil || len(g.workers) == 0 {
		return nil, nil, ErrNotLeading
	}
	return g, g.workers[g.owners[g.sharding.Of(a.Hash())]], nil
}

// ask puts a question to a worker and waits for the answer.
func (g *generation) ask(ctx context.Context, w *workerLoop, event func(uint64) core.Event) (any, error) {
	id, answer := g.requests.add()
	w.inbox.put(event(id))
	select {
	case a, ok := <-answer:
		if !ok {
			return nil, ErrNotLeading
		}
		return a, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// State reads the states of an Address as of the last checkpoint that its shard's store holds.
func (n *Node) State(a core.Address) ([]core.StoredState, core.CheckpointID, error) {
	g := n.generation()
	if g == nil {
		return nil, 0, ErrNotLeading
	}
	id := g.sharding.Of(a.Hash())
	if !g.serving[id].Load() {
		return nil, 0, fmt.Errorf("%w: shard %d is being restored; ask again", ErrNotLeading, id)
	}
	store := g.stores[id]
	states, err := store.States(a)
	return states, store.Meta().Checkpoint, err
}
