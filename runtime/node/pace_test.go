package node

import (
	"testing"
	"testing/synctest"
	"time"
)

// steps looks n times, each after so much came back, and returns the limit.
func steps(p *pace, n int, back int64, blocked bool, d demand) int64 {
	for range n {
		p.back, p.blocked = back, blocked
		p.consumed, p.batches = 0, 0
		p.look(p.looked.Add(paceEvery), d)
	}
	return p.limit
}

func TestPace(t *testing.T) {
	single, batches := demand{consumed: 1000, batches: 1000}, demand{consumed: 9000, batches: 1000}
	hungry := demand{consumed: 1000, batches: 1000, starving: true}
	cases := []struct {
		name    string
		back    int64
		blocked bool
		d       demand
		want    int64
	}{
		{"nothing asks for more", 10 << 20, true, single, 128 << 10},
		{"the workers starve", 0, true, hungry, 8 << 20},
		{"they starve, but the partition has nothing to give", 0, false, hungry, 128 << 10},
		{"batches grow: as much as comes back in the delay", 1 << 20, true, batches, 1 << 20},
		{"batches grow, beyond all bounds", 1 << 30, true, batches, 8 << 20},
	}
	for _, c := range cases {
		p := newPace(8<<20, 4)
		if got := steps(&p, 20, c.back, c.blocked, c.d); got != c.want {
			t.Errorf("%s: %d bytes may be under way, want %d", c.name, got, c.want)
		}
		if got := steps(&p, 200, 0, true, single); got != 128<<10 {
			t.Errorf("%s, and then nothing asks for more: %d bytes, want 131072", c.name, got)
		}
	}
}

// A worker starves that has had too little after each of its steps for long: not one that has just got to the end of what it was given, nor one that
// waits for answers with all that its endpoints take.
func TestDemandOfWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &generation{clock: newClock(0), workers: []*workerLoop{{}, {}}}
		check := func(what string, want bool) {
			t.Helper()
			if got := g.demand().starving; got != want {
				t.Errorf("%s: starving is %v, want %v", what, got, want)
			}
		}
		tell := func(starving bool) { g.workers[1].tellHunger(g.now(), starving) }
		time.Sleep(time.Second)
		check("nothing was ever done", false)
		tell(true)
		time.Sleep(paceEvery / 2)
		check("it has just begun", false)
		tell(true)
		time.Sleep(paceEvery)
		check("for long, though it was seen lately", true)
		tell(false)
		check("it has enough", false)
		time.Sleep(10 * paceEvery)
		check("it has had enough since", false)
		for range 10 {
			tell(true)
			time.Sleep(paceEvery / 2)
			check("now and then", false)
			tell(false)
		}
	})
}

// What gets nowhere takes up room. The limit grows before that holds the partition back, and leaves it the room that it needs.
func TestPaceAroundWhatIsStuck(t *testing.T) {
	hungry, busy := demand{consumed: 1000, batches: 1000, starving: true}, demand{consumed: 1000, batches: 1000}
	const come = 64 << 10 // bytes in 50 ms, of which half are stuck
	p := newPace(8<<20, 4)
	look := func(d demand) {
		if p.blocked = !p.open(); p.blocked {
			t.Fatalf("held back with %d bytes under way", p.used)
		}
		p.take(come)
		p.used, p.back = p.used-come/2, p.back+come/2
		p.look(p.looked.Add(paceEvery), d)
	}
	for i := range 40 {
		d := busy
		if i%2 == 0 {
			d = hungry
		}
		look(d)
	}
	for range 40 {
		p.used = 0 // all is moved out of memory at once
		look(busy)
	}
	if want := int64(3 * come); p.limit > want {
		t.Errorf("%d bytes may be under way with nothing stuck, want %d at most", p.limit, want)
	}
}

// What holds credit and gets nowhere is looked for before a partition has none left if somebody could do more, and when nothing comes back.
func TestPaceShort(t *testing.T) {
	hungry, busy := demand{consumed: 1000, batches: 1000, starving: true}, demand{consumed: 1000, batches: 1000}
	const most = 8 << 20
	p := newPace(most, 1)
	for range 20 {
		before := p.limit
		p.blocked, p.back = true, 1
		if short, want := p.look(p.looked.Add(paceEvery), hungry), before >= most/2; short != want {
			t.Errorf("held back at %d bytes of %d while a worker starves: short is %v", before, most, short)
		}
	}
	p.blocked, p.back = true, 1
	if p.look(p.looked.Add(paceEvery), busy) {
		t.Error("short though nobody could do more")
	}
	p.blocked = true
	if !p.look(p.looked.Add(paceEvery), busy) {
		t.Error("nothing came back, and it is not short")
	}
	p.limit, p.used = most, most-most/16
	p.take(most / 8)
	p.used -= most / 8
	if !p.look(p.looked.Add(paceEvery/2), hungry) {
		t.Error("it will be held back soon, and is not short")
	}
	p.take(most / 8)
	p.used -= most / 8
	if p.look(p.looked.Add(time.Second), hungry) {
		t.Error("short though little comes")
	}
	p.limit, p.used = most, 0
	if p.look(p.looked.Add(paceEvery), hungry) {
		t.Error("short though not held back")
	}
}

func TestPaceBounds(t *testing.T) {
	cases := []struct {
		most       int64
		partitions int
		want       int64
	}{
		{8 << 20, 1, 512 << 10},
		{8 << 20, 4, 128 << 10},
		{8 << 20, 1000, 32 << 10},
		{64 << 10, 1, 64 << 10},
		{8 << 20, 0, 512 << 10},
	}
	for _, c := range cases {
		p := newPace(c.most, c.partitions)
		if p.limit != c.want || p.limit > p.most {
			t.Errorf("most %d of %d partitions: begins with %d bytes, want %d", c.most, c.partitions, p.limit, c.want)
		}
		if p.used = p.limit - 1; !p.open() {
			t.Error("one byte is left, and it is closed")
		}
		if p.used = p.limit + 1<<30; p.open() {
			t.Error("far beyond the limit, and it is open")
		}
	}
	p := newPace(1<<20, 1)
	if p.due(p.looked.Add(paceEvery - time.Millisecond)) {
		t.Error("due before its time")
	}
}
