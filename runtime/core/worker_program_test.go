package core

import (
	"slices"

	"pgregory.net/rapid"
)

// answerRead reads the store for a pending read, or gives the answer that was read; of one shard overlays are written in order.
func (p *program) answerRead() {
	if len(p.script.pending) == 0 {
		return
	}
	i := rapid.IntRange(0, len(p.script.pending)-1).Draw(p.t, "read")
	r := p.script.pending[i]
	if a, ok := r.effect.(Apply); ok {
		r = p.firstApply(a.Overlay.Shard)
	}
	if r.answer == nil && rapid.Bool().Draw(p.t, "only read") {
		p.script.readStore(r)
		return
	}
	p.finishRead(r)
}

func (p *program) firstApply(sh ShardID) *pendingRead {
	i := slices.IndexFunc(p.script.pending, func(r *pendingRead) bool {
		a, ok := r.effect.(Apply)
		return ok && a.Overlay.Shard == sh
	})
	return p.script.pending[i]
}

func (p *program) finishRead(r *pendingRead) {
	p.script.pending = slices.DeleteFunc(p.script.pending, func(o *pendingRead) bool { return o == r })
	p.script.readStore(r)
	p.step(r.answer)
}

// checkpoint takes the next step of one: cut, ends of epoch, commit.
func (p *program) checkpoint() {
	w := p.script.w
	switch {
	case w.cut != nil:
		p.peer = max(p.peer, p.begun.Next())
		p.step(EndOfEpoch{Node: 1, Epoch: Epoch(p.begun)})
		p.step(EndOfEpoch{Node: 0, Epoch: Epoch(p.begun)})
	case p.begun > w.committed:
		p.safe = p.atCut
		p.step(Committed{p.begun})
	default:
		p.atCut = p.m.snapshot()
		p.begun++
		p.step(Begin{p.begun})
	}
}

// frame brings a message of another worker, which may be in the epoch before this worker's, in the same, or the first to cut.
func (p *program) frame(msg *Message) {
	w := p.script.w
	if p.peer == w.epoch && p.begun == w.committed && rapid.Bool().Draw(p.t, "cuts first") {
		p.atCut = p.m.snapshot()
		p.peer++
		p.begun++
	}
	p.m.send(msg.Target, string(msg.Arg), msg.Dedupe)
	if p.peer < w.epoch {
		p.atCut.send(msg.Target, string(msg.Arg), msg.Dedupe) // it was in the channel
	}
	p.frames++
	p.step(&Frame{From: 1, Generation: 1, Seq: p.frames, Epoch: p.peer, Messages: []*Message{msg}})
}

// restart commits all there is, and goes on with a new worker over the rows.
func (p *program) restart() {
	p.commit()
	p.checkpoint()
	p.commit()
	p.settleApplies()
	p.m.inflight, p.parked = map[Address]*Invocation{}, map[Address]*Response{}
	p.start(p.begun)
}

// crash goes on from the last committed checkpoint: what came later is gone.
func (p *program) crash() {
	names, now := p.m.names, p.m.now
	p.settleApplies()
	p.m = p.safe.snapshot()
	p.m.names, p.m.now, p.parked = names, now, map[Address]*Response{}
	p.start(p.script.w.committed)
}

// commit answers all reads and ends the checkpoint that was begun.
func (p *program) commit() {
	p.settle()
	for p.script.w.committed < p.begun {
		p.checkpoint()
		p.settle()
	}
}

// settle answers reads until there are none.
func (p *program) settle() {
	for len(p.script.pending) > 0 {
		p.finishRead(p.script.pending[0])
	}
}

// settleApplies writes what has committed, without telling the worker, which ends.
func (p *program) settleApplies() {
	for _, r := range p.script.pending {
		if _, ok := r.effect.(Apply); ok {
			p.script.readStore(r)
		}
	}
}

// finish lets everything end, and checks that nothing is left, in memory and in the stores.
func (p *program) finish() {
	p.calm = true
	for range 1000 {
		p.settle()
		for len(p.tries) > 0 {
			p.answerTry()
		}
		p.m.now += 100
		p.step(Tick{p.m.now})
		p.checkpoint()
		if g := p.script.w.Gauges(); len(p.tries)+len(p.script.pending)+int(g.MailBytes+g.DiskBytes+g.OverlayBytes) == 0 {
			break
		}
	}
	p.m.finished()
	p.restart()
	for id, st := range p.script.shards {
		p.checkRows(id, st)
	}
}

func (p *program) checkRows(id int, st *memoryStore) {
	st.scan(nil, nil, func(k, v []byte) bool {
		switch k[0] {
		case TableMailbox, TableTimer, TableOutbox:
			p.t.Fatalf("shard %d: left behind: %s", id, describeRow(Row{Key: k, Value: v}))
		case TableAddress:
			a, rest, _ := CutAddressKey(k)
			if rest[0] != SubState || string(v) != p.m.state[a] {
				p.t.Fatalf("shard %d: row %s, want state %q", id, describeRow(Row{Key: k, Value: v}), p.m.state[a])
			}
		}
		return true
	})
}
