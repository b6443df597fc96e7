package core

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// sizeRig runs groups one after the other, as full as they may be.
type sizeRig struct {
	groupSize
	sent  uint64
	items []int
	took  []float64
}

func (r *sizeRig) run(groups int, took func(items int) float64) {
	r.items, r.took = nil, nil
	for range groups {
		n := r.next()
		r.formed(n)
		r.answer(n, took(n))
	}
}

// answer is that of one more group.
func (r *sizeRig) answer(items int, took float64) {
	r.sent++
	r.items, r.took = append(r.items, items), append(r.took, took)
	r.note(items, Millis(took+0.5), r.sent, r.sent)
}

// usual is the median of the items of the last 100 groups, and how long they took in the mean.
func (r *sizeRig) usual() (items int, took float64) {
	last := slices.Clone(r.items[len(r.items)-100:])
	slices.Sort(last)
	for _, t := range r.took[len(r.took)-100:] {
		took += t / 100
	}
	return last[50], took
}

// linear takes a time for a group, and one for each item, give or take a part.
func linear(group, item, noise float64) func(int) float64 {
	random := rand.New(rand.NewPCG(1, 2))
	return func(n int) float64 { return (group + item*float64(n)) * (1 + noise*(2*random.Float64()-1)) }
}

// With whatever endpoint, groups soon have the size that meets the target, and keep it: nearly all of them are in time, and not by much.
func TestGroupSizeHoldsTheTarget(t *testing.T) {
	for _, c := range []struct{ group, item, noise float64 }{
		{0, 1, 0}, {5, 0.25, 0}, {50, 1, 0}, {1, 12, 0}, {10, 0.5, 0.1}, {20, 2, 0.3}, {0, 0.2, 0.3}, {0, 40, 0.2},
	} {
		r := &sizeRig{groupSize: newGroupSize(100, 1000)}
		serve := linear(c.group, c.item, c.noise)
		r.run(60, serve)
		r.run(500, serve)
		late, want := 0, (100-c.group)/c.item
		for _, took := range r.took {
			if took > 100 {
				late++
			}
		}
		slices.Sort(r.items)
		if median := float64(r.items[250]); late > 100 || median < want*0.6-1 || median > want {
			t.Errorf("%+v: %d of 500 groups late, %v items in the median of at most %v", c, late, median, want)
		}
	}
}

// One slow group, however slow, costs an eighth of the size, and that for a few groups.
func TestGroupSizeOfAnOutlier(t *testing.T) {
	for _, flying := range []int{1, 64} { // an endpoint that stands for a moment makes all groups late that are under way
		r := &sizeRig{groupSize: newGroupSize(100, 1000)}
		serve := linear(5, 0.09, 0)
		r.run(30, serve)
		before, sent := r.limit(), r.sent
		for i := range flying {
			r.note(before, 5000, sent+1+uint64(i), sent+uint64(flying)) //nolint:gosec // small
		}
		r.sent += uint64(flying) //nolint:gosec // small
		if before != 1000 || r.limit() != 875 {
			t.Errorf("%d groups of %d items were late at once: %d then, want 1000 and 875", flying, before, r.limit())
		}
		r.run(10, serve)
		if r.limit() != before {
			t.Errorf("10 groups after the slow one: %d items, before %d", r.limit(), before)
		}
	}
}

// Neither does a slow group of a few items, as there are under light load, say anything of full ones; several in a row do.
func TestGroupSizeOfSmallLateGroups(t *testing.T) {
	r := &sizeRig{groupSize: newGroupSize(100, 1000)}
	r.run(30, linear(5, 0.09, 0))
	for range 100 {
		r.sent++
		r.note(3, 400, r.sent, r.sent)
		r.sent++
		r.note(3, 10, r.sent, r.sent)
	}
	if r.limit() != 1000 {
		t.Errorf("%d items after single slow groups", r.limit())
	}
	for range 10 {
		r.sent++
		r.note(3, 400, r.sent, r.sent)
	}
	if r.limit() > 100 {
		t.Errorf("%d items after ten slow groups in a row", r.limit())
	}
}

// After a slow spell that made groups small, they are full again within 25 groups.
func TestGroupSizeRecovers(t *testing.T) {
	r := &sizeRig{groupSize: newGroupSize(100, 1000)}
	fast := linear(5, 0.09, 0)
	r.run(30, fast)
	r.run(40, linear(50, 20, 0))
	if n := r.limit(); n > 4 {
		t.Errorf("%d items while one takes 20 ms and a group 50", n)
	}
	r.run(25, fast)
	if n := r.limit(); n != 1000 {
		t.Errorf("%d items 25 groups after the slow spell, want 1000; %v", n, r.items)
	}
}

// What a single item takes, groups may take: smaller ones would be as late, and many more.
func TestGroupSizeNeverAimsBelowOneItem(t *testing.T) {
	r := &sizeRig{groupSize: newGroupSize(50, 1000)}
	r.run(300, linear(200, 0.5, 0))
	if n := r.limit(); n < 60 || r.took[299] > 310 {
		t.Errorf("one item takes 200 ms, each more 0.5 ms, and the target is 50: groups of %d items, which take %v ms", n, r.took[299])
	}
	r.run(200, linear(200, 100, 0))
	if n := r.limit(); n > 3 {
		t.Errorf("each item takes 100 ms more: groups of %d items, want at most 3", n)
	}
	r.run(200, linear(1, 0.5, 0))
	if n := r.limit(); n < 60 || n > 98 {
		t.Errorf("one item takes 1 ms, each more 0.5 ms, and the target is 50: groups of %d items", n)
	}
}

// What the endpoint takes bounds a group at once. Without a target it is the size.
func TestGroupSizeTakes(t *testing.T) {
	s := newGroupSize(0, 1)
	s.takes(500)
	if s.limit() != 500 {
		t.Errorf("%d items without a target, want 500", s.limit())
	}
	r := &sizeRig{groupSize: newGroupSize(100, 500)}
	r.run(30, linear(0, 0.1, 0))
	r.takes(1)
	if r.limit() != 1 {
		t.Errorf("%d items to an endpoint that takes one", r.limit())
	}
	r.takes(500)
	r.run(12, linear(0, 0.1, 0))
	if r.limit() != 500 {
		t.Errorf("%d items 12 groups later, want 500", r.limit())
	}
}

// What one item takes may be measured far too high, once or for long. Groups are soon as large as they should be, and in time.
func TestGroupSizeAfterSlowItems(t *testing.T) {
	cases := []struct {
		name        string
		before      func(r *sizeRig)
		serve       func(int) float64
		least, most int
	}{
		{"the first answer comes late", func(r *sizeRig) { r.answer(1, 5000) }, linear(0, 50, 0), 1, 2},
		{"the server was slow for long", func(r *sizeRig) { r.run(200, linear(200, 100, 0)) }, linear(0, 50, 0), 1, 2},
		{"one slow item", func(r *sizeRig) { r.run(200, linear(1, 12, 0)); r.answer(1, 2000) }, linear(1, 12, 0), 6, 8},
		{"each 30th item is slow", func(r *sizeRig) {
			for range 20 {
				r.run(29, linear(1, 12, 0))
				r.answer(1, 2000)
			}
		}, linear(1, 12, 0), 6, 8},
	}
	for _, c := range cases {
		r := &sizeRig{groupSize: newGroupSize(100, 1000)}
		c.before(r)
		r.run(300, c.serve)
		if items, took := r.usual(); items < c.least || items > c.most || took > 110 {
			t.Errorf("%s: groups of %d items and %.0f ms, want %d to %d and about 100", c.name, items, took, c.least, c.most)
		}
	}
}

// A single item that is sent to see what it takes says nothing of how large groups may be, late or not.
func TestGroupSizeOfWhatIsAsked(t *testing.T) {
	r := &sizeRig{groupSize: newGroupSize(100, 1000)}
	r.run(300, linear(200, 20, 0))
	before := r.limit()
	for range 5 {
		r.answer(1, 5000)
	}
	if before < 3 || r.limit() != before {
		t.Errorf("%d items after single items came late, before %d", r.limit(), before)
	}
	late := 2 * r.goal()
	for range 3 {
		r.answer(r.limit(), late)
		r.answer(1, 200)
	}
	if r.limit() > before*2/5 {
		t.Errorf("three late groups, with single items in time between them: %d items, before %d", r.limit(), before)
	}
}

// Where single items wait behind full groups, groups do not grow by how long they take themselves.
func TestGroupSizeOfItemsThatWait(t *testing.T) {
	r := &sizeRig{groupSize: newGroupSize(10, 1000)}
	r.run(1000, func(int) float64 { return 64 * (0.5 + 0.02*float64(r.limit())) }) // as many wait in one queue
	if items, took := r.usual(); items < 10 || items > 40 {
		t.Errorf("groups of %d items and %.0f ms, where a single one takes 33 ms", items, took)
	}
}

// A server that is busy with many small groups answers late because they are small, and some by chance soon: groups grow until they are in time.
func TestGroupSizeAtABusyServer(t *testing.T) {
	r := &sizeRig{groupSize: newGroupSize(10, 1000)}
	r.run(500, func(n int) float64 {
		if n < 10 && r.sent%10 == 9 {
			return 2
		}
		return 500 * (0.1/float64(r.limit()) + 0.005) // 500 items are under way, and a group costs as much as 20 of its items
	})
	if n := r.limit(); n < 32 {
		t.Errorf("groups of %d items, each of which takes %v ms", n, r.took[499])
	}
}
