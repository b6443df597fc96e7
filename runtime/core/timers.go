package core

import "slices"

// timer is a delayed message in memory.
type timer struct {
	TimerRow
	row   rowLink
	token *tokenRow // nil if it has none or the store holds its row
	index int       // in the heap
}

func (t *timer) appendRow(b *rowBuffer) Row {
	b.key = t.Key.Append(b.key[:0])
	b.val = appendString(b.val[:0], string(t.Sender.Type))
	b.val = appendString(b.val, t.Sender.ID)
	b.val = appendString(b.val, string(t.Target.Type))
	b.val = appendString(b.val, t.Target.ID)
	b.val = appendString(b.val, t.Token)
	b.val = t.Trace.AppendPacked(b.val)
	b.val = append(b.val, t.Arg...)
	return Row{Key: b.key, Value: b.val}
}

// timers are the delayed messages of a shard. In memory are those that the store does not hold yet, and of
// the stored ones those up to horizon; reading on from there brings the next.
type timers struct {
	heap    []*timer
	byKey   map[TimerKey]*timer
	dead    map[TimerKey]bool // fired or cancelled, while the store may still hold them
	horizon TimerKey
	all     bool // the store holds none behind horizon
	reading bool
	phase   uint64
}

const (
	timersRead   = 1024  // rows read at a time
	timersMemory = 16384 // timers that a shard keeps in memory beside those the store does not hold
	timersFired  = 256   // timers that one step fires in a shard
)

func (ts *timers) init() {
	ts.byKey = map[TimerKey]*timer{}
	ts.dead = map[TimerKey]bool{}
}

// due is when the shard has something to do for timers; zero means never.
func (ts *timers) due() Millis {
	switch {
	case len(ts.heap) > 0 && ts.known(ts.heap[0].Key):
		return max(1, ts.heap[0].Key.Due)
	case ts.all || ts.reading:
		return 0
	}
	return max(1, ts.horizon.Due)
}

// known reports whether the next timer in memory is the shard's next.
func (ts *timers) known(k TimerKey) bool { return ts.all || !ts.horizon.Less(k) }

func (ts *timers) push(t *timer) {
	ts.byKey[t.Key] = t
	t.index = len(ts.heap)
	ts.heap = append(ts.heap, t)
	ts.up(t.index)
}

func (ts *timers) up(i int) {
	for i > 0 {
		p := (i - 1) / 2
		if !ts.heap[i].Key.Less(ts.heap[p].Key) {
			return
		}
		ts.swap(i, p)
		i = p
	}
}

func (ts *timers) down(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(ts.heap); c++ {
			if ts.heap[c].Key.Less(ts.heap[least].Key) {
				least = c
			}
		}
		if least == i {
			return
		}
		ts.swap(i, least)
		i = least
	}
}

func (ts *timers) swap(i, j int) {
	ts.heap[i], ts.heap[j] = ts.heap[j], ts.heap[i]
	ts.heap[i].index, ts.heap[j].index = i, j
}

// take removes a timer from memory.
func (ts *timers) take(t *timer) {
	i, last := t.index, len(ts.heap)-1
	ts.swap(i, last)
	ts.heap[last] = nil
	ts.heap = ts.heap[:last]
	if i < last {
		ts.up(i)
		ts.down(i)
	}
	delete(ts.byKey, t.Key)
}

// setTimer makes a delayed message.
func (w *Worker) setTimer(sh *shard, row TimerRow, token *tokenRow) {
	t := &timer{TimerRow: row, token: token}
	sh.put(&t.row, t, int64(len(t.Arg)+len(t.Sender.ID)+len(t.Target.ID)+len(t.Token)+t.Trace.Memory()+64))
	sh.timers.push(t)
	w.timersMoved = true
}

// endTimer deletes a timer, in memory or known by its key alone, and its token.
func (w *Worker) endTimer(sh *shard, key TimerKey, sender Address, token string) {
	t := sh.timers.byKey[key]
	if t != nil {
		sh.timers.take(t)
	} else {
		t = &timer{TimerRow: TimerRow{Key: key}}
	}
	if t.row.epoch == 0 || sh.open == nil || t.row.epoch != sh.open.Epoch {
		sh.timers.dead[key] = true
		o := sh.overlay()
		o.dead = append(o.dead, key)
	}
	sh.erase(&t.row, t)
	w.timersMoved = true
	if token != "" {
		w.endToken(sh, sender, token, t)
	}
}

// fireTimers sends the delayed messages that are due, unless the worker is over its budget.
func (w *Worker) fireTimers() {
	if w.halting || (!w.timersMoved && (w.timerAlarm == 0 || w.timerAlarm > w.now)) {
		return
	}
	w.timersMoved = false
	w.timerAlarm = 0
	over := w.overBudget()
	for _, sh := range w.owned {
		if !over {
			w.fireShard(sh)
		}
		if at := sh.timers.due(); sh.restored && at > 0 && (w.timerAlarm == 0 || at < w.timerAlarm) {
			w.timerAlarm = at
		}
	}
	if over && w.timerAlarm > 0 {
		w.timerAlarm = max(w.timerAlarm, w.now+overBudgetPause)
	}
}

const overBudgetPause = 10 // milliseconds until a worker over its budget looks at its timers again

func (w *Worker) fireShard(sh *shard) {
	ts := &sh.timers
	for range timersFired {
		if len(ts.heap) == 0 || ts.heap[0].Key.Due > w.now || !ts.known(ts.heap[0].Key) {
			break
		}
		t := ts.heap[0]
		w.endTimer(sh, t.Key, t.Sender, t.Token)
		w.stats.Timers++
		w.send(&Message{Target: t.Target, Caller: t.Sender, Arg: t.Arg, Trace: t.Trace})
	}
	w.readTimers(sh)
}

// readTimers reads on from the horizon when the next timer may lie behind it.
func (w *Worker) readTimers(sh *shard) {
	ts := &sh.timers
	if ts.all || ts.reading || !sh.restored {
		return
	}
	if sh.empty {
		ts.all = true
		return
	}
	if (len(ts.heap) > 0 && ts.known(ts.heap[0].Key)) || ts.horizon.Due > w.now {
		return
	}
	ts.reading = true
	ts.phase = sh.barrier.begin()
	w.emit(ReadTimers{Shard: sh.id, After: ts.horizon, Limit: timersRead})
}

func (w *Worker) onTimersRead(ev TimersRead) {
	sh := w.shards[ev.Shard]
	ts := &sh.timers
	if !ts.reading || ev.After != ts.horizon {
		return
	}
	ts.reading = false
	for i := range ev.Timers {
		row := ev.Timers[i]
		if ts.byKey[row.Key] == nil && !ts.dead[row.Key] {
			ts.push(&timer{TimerRow: row})
		}
		ts.horizon = row.Key
	}
	ts.all = !ev.More
	sh.barrier.end(ts.phase)
	w.timersMoved = true
}

// trimTimers moves the latest stored timers out of memory when there are too many.
func (w *Worker) trimTimers(sh *shard) {
	ts := &sh.timers
	if len(ts.heap) <= 2*timersMemory || ts.reading {
		return
	}
	keys := make([]TimerKey, 0, len(ts.heap))
	for _, t := range ts.heap {
		keys = append(keys, t.Key)
	}
	slices.SortFunc(keys, compareTimers)
	horizon := keys[timersMemory-1]
	if ts.all || horizon.Less(ts.horizon) {
		ts.horizon, ts.all = horizon, false
	}
	for _, k := range keys[timersMemory:] {
		if t := ts.byKey[k]; t.row.epoch <= Epoch(sh.applied) {
			ts.take(t)
		}
	}
	w.timersMoved = true
}

func compareTimers(a, b TimerKey) int {
	switch {
	case a.Less(b):
		return -1
	case b.Less(a):
		return 1
	}
	return 0
}
