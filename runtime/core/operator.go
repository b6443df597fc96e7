package core

import (
	"cmp"
	"slices"
)

func (w *Worker) onResume(ev Resume) {
	in, problem := w.stuck(ev.Address)
	if in != nil {
		w.unhold(in)
		in.fail, in.retryAt = nil, 0
		delete(w.troubled, in)
		w.offer(in)
	}
	w.emit(OperatorDone{Request: ev.Request, Problem: problem})
}

func (w *Worker) onDrop(ev Drop) {
	in, problem := w.stuck(ev.Address)
	if in == nil {
		w.emit(OperatorDone{Request: ev.Request, Problem: problem})
		return
	}
	in.drops, in.dropping = append(in.drops, ev.Request), true
	w.dropNow(in)
}

// dropNow drops the head message that an operator wants dropped, or reads it back, unless a try has it. It needs no try, so it waits neither
// for a window nor for a budget.
func (w *Worker) dropNow(in *instance) {
	switch {
	case !in.startable(w.now):
	case len(in.mail) > 0:
		w.dropHead(in)
	default:
		w.fetch(in)
	}
}

// dropHead drops the head message for an operator, and lets the Address go on.
func (w *Worker) dropHead(in *instance) {
	request := in.drops[0]
	if in.drops = in.drops[1:]; len(in.drops) == 0 {
		in.drops, in.dropping = nil, false
	}
	w.unhold(in)
	w.succeeded(in)
	in.retryAt = 0
	w.consume(in, 1)
	w.stats.Dropped++
	w.emit(OperatorDone{Request: request})
	w.offer(in)
}

// stuck is the instance of an Address that is held or failing; otherwise a problem says what it is.
func (w *Worker) stuck(a Address) (*instance, string) {
	sh := w.shards[w.cfg.Sharding.Of(a.Hash())]
	if sh == nil {
		return nil, "shard of " + a.String() + " belongs to another worker"
	}
	in := sh.find(a.Hash(), a)
	if in == nil || (in.held == nil && in.fail == nil) {
		return nil, a.String() + " is neither held nor failing"
	}
	return in, ""
}

func (w *Worker) onInspect(ev Inspect) {
	reply := Inspected{Request: ev.Request}
	if !ev.Address.IsZero() {
		if sh := w.shards[w.cfg.Sharding.Of(ev.Address.Hash())]; sh != nil {
			if in := sh.find(ev.Address.Hash(), ev.Address); in != nil {
				reply.Addresses = append(reply.Addresses, in.info())
			}
		}
		w.emit(reply)
		return
	}
	for in := range w.troubled {
		reply.Addresses = append(reply.Addresses, in.info())
	}
	slices.SortFunc(reply.Addresses, func(a, b AddressInfo) int {
		return cmp.Or(cmp.Compare(a.Address.Type, b.Address.Type), cmp.Compare(a.Address.ID, b.Address.ID))
	})
	if ev.Limit > 0 && len(reply.Addresses) > ev.Limit {
		reply.Addresses = reply.Addresses[:ev.Limit]
	}
	w.emit(reply)
}

func (in *instance) info() AddressInfo {
	info := AddressInfo{
		Address: in.addr, Status: in.status(), RetryAt: in.retryAt,
		Waiting: in.waitingMessages() + int(in.taken) + max(in.disk.count, 0), OnDisk: in.disk.count < 0,
	}
	if f := in.fail; f != nil {
		info.Attempts, info.First, info.Last = f.Attempts, f.First, f.Last
		info.Reasons = slices.Clone(f.Reasons)
	}
	for i := range in.slots {
		if in.slots[i].val != nil {
			info.States = append(info.States, in.slots[i].name)
		}
	}
	return info
}

func (in *instance) status() string {
	switch {
	case in.held != nil:
		return "held"
	case in.fail != nil:
		return "failing"
	case in.inflight != nil || in.parked != nil:
		return "in flight"
	case in.waitingMessages() > 0 || in.disk.from != 0:
		return "waiting"
	}
	return "idle"
}
