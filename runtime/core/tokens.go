package core

import (
	"slices"

	"github.com/stateway/stateway/protocol/trace"
)

// parked is a valid response that waits until its cancellation tokens were looked up.
type parked struct {
	inv   *Invocation
	resp  *Response
	took  Millis // of the call budget
	phase uint64
}

// needsTokens reports whether the store must be asked for tokens of the response.
func (w *Worker) needsTokens(in *instance, resp *Response) bool {
	if in.shard.empty {
		return false
	}
	for i := range resp.Delayed {
		if t := resp.Delayed[i].Token; t != "" {
			if _, known := in.tokens[t]; !known {
				return true
			}
		}
	}
	return false
}

func (w *Worker) park(in *instance, inv *Invocation, resp *Response, took Millis) {
	var tokens []string
	for i := range resp.Delayed {
		t := resp.Delayed[i].Token
		if _, known := in.tokens[t]; t != "" && !known && !slices.Contains(tokens, t) {
			tokens = append(tokens, t)
		}
	}
	w.parked++
	in.parked = &parked{inv: inv, resp: resp, took: took, phase: in.shard.barrier.begin()}
	w.emit(FindTokens{Shard: in.shard.id, Sender: in.addr, Tokens: tokens})
}

func (w *Worker) onTokensFound(ev TokensFound) {
	sh := w.shards[ev.Shard]
	in := sh.find(ev.Sender.Hash(), ev.Sender)
	if in == nil || in.parked == nil {
		return
	}
	p := in.parked
	in.parked = nil
	w.parked--
	for i := range p.resp.Delayed {
		t := p.resp.Delayed[i].Token
		if key, found := ev.Timers[t]; found && t != "" && !sh.timers.dead[key] {
			in.setToken(t, key)
		}
	}
	sh.barrier.end(p.phase)
	w.applyChecked(in, p.inv, p.resp, p.took)
}

func (in *instance) setToken(token string, key TimerKey) {
	if in.tokens == nil {
		in.tokens = map[string]TimerKey{}
	}
	if _, known := in.tokens[token]; !known {
		in.addBytes(int64(len(token) + 64))
	}
	in.tokens[token] = key
}

// applyChecked applies a response all of whose tokens are known, unless it uses a live one again.
func (w *Worker) applyChecked(in *instance, inv *Invocation, resp *Response, took Millis) {
	if token := in.reused(resp); token != "" {
		w.onFailed(in, inv, &Outcome{
			Class: OutcomeFailed, Took: took, Answered: true,
			Reason: "delayed message with cancellation token " + token + ", which a waiting delayed message has",
		})
		return
	}
	w.apply(in, inv, resp)
}

// reused is a token that the response sets while it is live, empty if there is none.
func (in *instance) reused(resp *Response) string {
	var now map[string]bool // what the response itself makes of tokens
	for i := range resp.Delayed {
		d := &resp.Delayed[i]
		if d.Token == "" {
			continue
		}
		live, touched := now[d.Token]
		if !touched {
			_, live = in.tokens[d.Token]
		}
		if live && !d.Cancel {
			return d.Token
		}
		if now == nil {
			now = map[string]bool{}
		}
		now[d.Token] = !d.Cancel
	}
	return ""
}

// applyDelayed sets or cancels one delayed message.
func (w *Worker) applyDelayed(in *instance, d *Delayed, tr *trace.Context) {
	sh := in.shard
	if d.Cancel {
		if key, live := in.tokens[d.Token]; live {
			w.endTimer(sh, key, in.addr, d.Token)
			w.stats.Cancelled++
		}
		return
	}
	key := TimerKey{Due: saturate(w.now, d.Delay), Seq: sh.seq()}
	var token *tokenRow
	if d.Token != "" {
		token = &tokenRow{sender: in.addr, token: d.Token, timer: key}
		sh.put(&token.row, token, int64(len(d.Token)+len(in.addr.ID)+16))
		in.setToken(d.Token, key)
	}
	w.setTimer(sh, TimerRow{Key: key, Sender: in.addr, Target: d.Target, Token: d.Token, Arg: d.Arg, Trace: tr}, token)
	in.lastEpoch = w.epoch
}

// saturate adds a delay to a time without running over.
func saturate(now, delay Millis) Millis {
	const farthest = Millis(1) << 62
	if delay > farthest-now {
		return farthest
	}
	return now + delay
}

// endToken deletes the token of a timer that fired or was cancelled.
func (w *Worker) endToken(sh *shard, sender Address, token string, t *timer) {
	if in := sh.find(sender.Hash(), sender); in != nil && in.tokens[token] == t.Key {
		delete(in.tokens, token)
		in.addBytes(-int64(len(token) + 64))
	}
	row := t.token
	if row == nil {
		row = &tokenRow{sender: sender, token: token, timer: t.Key}
	}
	sh.erase(&row.row, row)
}
