package core

import "testing"

// flood keeps the window full for a time, as workers with much to do, and returns how many items were delivered each second and how long
// they took in the mean.
func (r *groupRig) flood(span Millis) (perSecond, took int) {
	began, sum, n := r.now, int64(0), 0
	if r.came == nil {
		r.came = map[*Invocation]Millis{}
	}
	for end := r.now + span; r.now < end; {
		var events []GroupEvent
		kept := r.flying[:0]
		for i := range r.flying {
			if r.flying[i].at > r.now {
				kept = append(kept, r.flying[i])
				continue
			}
			events = append(events, r.answer(r.flying[i]))
		}
		r.flying = kept
		r.delivered, r.sent = map[*Invocation]Outcome{}, nil
		r.step(events...)
		for inv := range r.delivered {
			sum += int64(r.now - r.came[inv])
			delete(r.came, inv)
			delete(r.served, inv)
			n++
		}
		var invs []*Invocation
		for len(r.came) < r.d.Window() {
			inv := groupItem(len(r.came))
			r.came[inv] = r.now
			invs = append(invs, inv)
		}
		if len(invs) > 0 {
			r.submit(invs...)
			continue
		}
		r.now = min(r.next(), end)
	}
	return n * 1000 / int(r.now-began), int(sum / int64(max(n, 1)))
}

// next is when something happens.
func (r *groupRig) next() Millis {
	next := Millis(1 << 60)
	for i := range r.flying {
		next = min(next, max(r.flying[i].at, r.now+1))
	}
	if w := r.d.Wake(); w > 0 {
		next = min(next, max(w, r.now+1))
	}
	return next
}

// oneServer has one processor for all: a group takes so many microseconds, and so many for each item.
func oneServer(r *groupRig, group, item int64) func(*Group) (GroupOutcome, Millis) {
	free := int64(0) // µs
	return func(g *Group) (GroupOutcome, Millis) {
		free = max(free, int64(r.now)*1000) + group + item*int64(len(g.Items))
		return allWell(g), Millis((free+999)/1000) - r.now
	}
}

// Under flood the window is as large as the endpoint needs to be busy, and hardly larger: what more there is only waits.
func TestGroupWindow(t *testing.T) {
	each := func(took func(items int) Millis) func(*groupRig) func(*Group) (GroupOutcome, Millis) {
		return func(*groupRig) func(*Group) (GroupOutcome, Millis) {
			return func(g *Group) (GroupOutcome, Millis) { return allWell(g), took(len(g.Items)) }
		}
	}
	one := func(group, item int64) func(*groupRig) func(*Group) (GroupOutcome, Millis) {
		return func(r *groupRig) func(*Group) (GroupOutcome, Millis) { return oneServer(r, group, item) }
	}
	cases := []struct {
		name  string
		cfg   GroupDispatcherConfig
		serve func(r *groupRig) func(*Group) (GroupOutcome, Millis)
		least int // items a second
		most  int // ms that an item takes in the mean
	}{
		{"one processor", GroupDispatcherConfig{}, one(100, 10), 95_000, 110},
		{"one processor, and groups that cost much", GroupDispatcherConfig{Concurrency: 4}, one(5000, 20), 33_000, 110},
		{"one slow processor", GroupDispatcherConfig{}, one(1000, 2000), 480, 600},
		{
			"a processor for each group, and a target",
			GroupDispatcherConfig{Concurrency: 100, Target: 100},
			each(func(n int) Millis { return 10 + 5*Millis(n) }), 14_000, 250,
		},
		{
			"instances that serve one item after the other",
			GroupDispatcherConfig{Concurrency: 100, Target: 100},
			each(func(n int) Millis { return 20 * Millis(n) }), 4_400, 300,
		},
		{"slow items side by side", GroupDispatcherConfig{MaxItems: 10}, each(func(int) Millis { return 300 }), 4_000, 700},
		{"one item a request", GroupDispatcherConfig{StartItems: 1, Concurrency: 100}, each(func(int) Millis { return 20 }), 4_800, 50},
	}
	for _, c := range cases {
		r := newGroupRig(t, c.cfg)
		r.serve = c.serve(r)
		r.flood(6000)
		n, took := r.flood(2000)
		t.Logf("%s: %d items/s in %d ms, window %d, limit %d", c.name, n, took, r.d.Window(), r.d.Stats().Limit)
		if n < c.least || took > c.most {
			t.Errorf("%s: %d items/s in %d ms, want at least %d in at most %d; window %d", c.name, n, took, c.least, c.most, r.d.Window())
		}
	}
}

// An endpoint that gets slower needs less, and more again when it is as before.
func TestGroupWindowFollowsTheEndpoint(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{})
	for _, c := range []struct {
		item, least int64 // µs an item takes, items a second
		most        int   // ms
	}{{20, 46_000, 110}, {400, 2300, 200}, {20, 46_000, 110}} {
		r.serve = oneServer(r, 100, c.item)
		r.flood(8000)
		if n, took := r.flood(2000); n < int(c.least) || took > c.most {
			t.Errorf("%d µs an item: %d items/s in %d ms, want at least %d in at most %d; window %d", c.item, n, took, c.least, c.most, r.d.Window())
		}
	}
}

// While nobody has more to submit, nothing is learned of the window.
func TestGroupWindowUnderLightLoad(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{})
	before := r.d.Window()
	for i := range 5000 {
		r.submit(groupItem(i))
		r.run(10)
	}
	if r.d.Window() != before || len(r.sent) != 5000 {
		t.Errorf("window %d, and %d before; %d groups", r.d.Window(), before, len(r.sent))
	}
}
