package core

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// servePoison answers every group without one of the bad items, and no other.
func servePoison(bad []int) func(*Group) (GroupOutcome, Millis) {
	poison := map[string]bool{}
	for _, i := range bad {
		poison[fmt.Sprint(i)] = true
	}
	return func(g *Group) (GroupOutcome, Millis) {
		for _, inv := range g.Items {
			if poison[inv.Target.ID] {
				return GroupOutcome{Class: GroupFailed, Reason: "no answer"}, 5
			}
		}
		return allWell(g), 5
	}
}

// checkPoison runs a group of n items, some of them bad. The rig fails the test if an item is sent again that was answered.
func checkPoison(t *testing.T, n int, bad []int) {
	t.Helper()
	r := newGroupRig(t, GroupDispatcherConfig{})
	r.serve = servePoison(bad)
	invs := r.submitMany(n)
	r.run(1000)
	if extra, most := len(r.sent)-1, 2*bits.Len(uint(n-1))*len(bad); extra > most { //nolint:gosec // small
		t.Errorf("%d items, of which %v are bad: %d more groups, want at most %d", n, bad, extra, most)
	}
	for i, inv := range invs {
		if o, ok := r.delivered[inv]; !ok || (o.Class == OutcomeFailed) != slices.Contains(bad, i) {
			t.Fatalf("%d items, of which %v are bad: item %d got %+v (%t); %+v", n, bad, i, o, ok, r.d.Stats())
		}
	}
	if took, most := r.now-1000, Millis(5*(1+bits.Len(uint(n-1)))); took > most { //nolint:gosec // small
		t.Errorf("%d items, of which %v are bad: it took %d ms, want at most %d: the endpoint counted as in trouble", n, bad, took, most)
	}
}

// However many items there are and wherever the bad ones stand, each is found with 2·log2(n) more groups at most, and nobody else pays for it.
func TestGroupPoisonAnywhere(t *testing.T) {
	for n := 2; n <= 40; n++ {
		for bad := range n {
			checkPoison(t, n, []int{bad})
		}
	}
	random := rand.New(rand.NewPCG(3, 4))
	for n := 41; n <= 1000; n += 1 + random.IntN(23) {
		checkPoison(t, n, []int{random.IntN(n)})
		checkPoison(t, n, random.Perm(n)[:2])
		checkPoison(t, n, random.Perm(n)[:3])
	}
	for _, bad := range [][]int{{0, 999}, {0, 1}, {499, 500}, {0, 500, 999}, {0, 1, 2}, {0, 250, 500}} {
		checkPoison(t, 1000, bad)
	}
}

// What is answered as failed is tried again in groups that are under way anyway: bad items in a stream of good ones cost their own tries, and
// not a group more.
func TestGroupPoisonThatIsAnswered(t *testing.T) {
	const items, batch, tries = 20_000, 100, 3
	run := func(slots, every int) GroupStats {
		r := &patientRig{groupRig: newGroupRig(t, GroupDispatcherConfig{StartAt: slots, Concurrency: slots}), tries: map[string]int{}}
		r.serve = func(g *Group) (GroupOutcome, Millis) {
			o := allWell(g)
			for i, inv := range g.Items {
				if n, _ := strconv.Atoi(inv.Target.ID); every > 0 && n < items/2 && n%every == 0 {
					o.Items[i] = Outcome{Class: OutcomeFailed, Reason: "the function failed", Answered: true}
				}
			}
			return o, 5
		}
		for i := 0; i < items; i += batch {
			var invs []*Invocation
			for j := range batch {
				invs = append(invs, groupItem(i+j))
			}
			r.submit(invs...)
			r.runFor(1)
		}
		r.runFor(100)
		if every > 0 && len(r.dead) != items/2/every {
			t.Errorf("%d items are given up, want %d", len(r.dead), items/2/every)
		}
		return r.d.Stats()
	}
	for _, slots := range []int{1, 64} {
		none := run(slots, 0)
		for _, every := range []uint64{10_000, 100, 10} {
			got := run(slots, int(every)) //nolint:gosec // small
			// Where slots are free, what is tried again goes at once, as all that is submitted in the same millisecond.
			more := map[int]uint64{1: 0, 64: 2 * items / batch}[slots]
			if got.Items != none.Items+(tries-1)*items/2/every || got.Groups > none.Groups+more || got.Splits > 0 {
				t.Errorf("%d slots, one bad item in %d: %+v, without: %+v", slots, every, got, none)
			}
		}
	}
}

// Items that failed while others succeeded are all that is left, and then the deployment breaks: next to none of them is given up, whatever the
// order in which they come again.
func TestGroupPoisonAndABrokenDeployment(t *testing.T) {
	for _, n := range []int{30, 900} {
		for _, shuffled := range []bool{false, true} {
			r := newGroupRig(t, GroupDispatcherConfig{})
			well := groupItem(n)
			r.serve = func(g *Group) (GroupOutcome, Millis) {
				o := allWell(g)
				for i, inv := range g.Items {
					if inv != well {
						o.Items[i] = Outcome{Class: OutcomeFailed, Reason: "the deployment is broken", Answered: true}
					}
				}
				return o, 5
			}
			bad := r.invs(n)
			r.submit(append(bad, well)...)
			r.run(100)
			random := rand.New(rand.NewPCG(1, 2))
			for try := 2; try <= 5; try++ {
				var again []*Invocation
				for _, inv := range bad {
					if r.delivered[inv].Class == OutcomeFailed {
						again = append(again, &Invocation{Target: inv.Target, Attempt: try, Messages: inv.Messages})
					}
				}
				if bad = again; shuffled {
					random.Shuffle(len(bad), func(i, j int) { bad[i], bad[j] = bad[j], bad[i] })
				}
				r.now += 1000
				r.submit(bad...)
				r.run(1000)
			}
			dead := 0
			for _, inv := range bad {
				if r.delivered[inv].Class == OutcomeFailed {
					dead++
				}
			}
			if dead >= failStreak || !r.d.Stats().Resting {
				t.Errorf("%d items, shuffled %t: %d are given up, and the endpoint counts as in trouble: %t", n, shuffled, dead, r.d.Stats().Resting)
			}
		}
	}
}

// patientRig gives up what has failed three times, as a worker does.
type patientRig struct {
	*groupRig
	tries map[string]int
	dead  []string
	again []*Invocation // to be submitted when the next millisecond begins
}

func (r *patientRig) runFor(span Millis) {
	for end := r.now + span; r.now < end; r.now++ {
		again := r.again
		r.again = nil
		r.submit(again...)
		r.run(1)
		for inv, o := range r.delivered {
			delete(r.delivered, inv)
			r.submitted--
			if o.Class != OutcomeFailed {
				continue
			}
			id := inv.Target.ID
			if r.tries[id]++; r.tries[id] == 3 {
				r.dead = append(r.dead, id)
				continue
			}
			r.again = append(r.again, &Invocation{Target: inv.Target, Attempt: r.tries[id] + 1, Alone: !o.Answered, Messages: inv.Messages})
		}
		slices.SortFunc(r.again, func(a, b *Invocation) int { return strings.Compare(a.Target.ID, b.Target.ID) })
	}
}

// An outage that begins while bad items are sought, of whatever kind, makes nobody a dead letter who is not bad.
func TestGroupPoisonAndAnOutage(t *testing.T) {
	outages := []func(*Group) GroupOutcome{
		func(*Group) GroupOutcome { return GroupOutcome{Class: GroupFailed, Reason: "the connection ended"} },
		func(*Group) GroupOutcome { return GroupOutcome{Class: GroupTrouble, Reason: "status 503"} },
		func(g *Group) GroupOutcome {
			o := allWell(g)
			for i := range o.Items {
				o.Items[i] = Outcome{Class: OutcomeFailed, Reason: "the deployment is broken"}
			}
			return o
		},
	}
	for kind, outage := range outages {
		for _, begins := range []Millis{0, 4, 9, 11, 16, 22, 30, 39, 51, 70} {
			random := rand.New(rand.NewPCG(uint64(begins), uint64(kind))) //nolint:gosec // small
			r := &patientRig{groupRig: newGroupRig(t, GroupDispatcherConfig{Retry: Retry{Initial: 10, Max: 500}}), tries: map[string]int{}}
			bad, began := random.Perm(1000)[:1+random.IntN(3)], r.now
			well := servePoison(bad)
			r.serve = func(g *Group) (GroupOutcome, Millis) {
				if at := r.now - began; at >= begins && at < begins+5000 {
					return outage(g), 5
				}
				return well(g)
			}
			r.submitMany(1000)
			r.runFor(20_000)
			var want []string
			for _, i := range bad {
				want = append(want, fmt.Sprint(i))
			}
			slices.Sort(want)
			slices.Sort(r.dead)
			if !slices.Equal(r.dead, want) || r.d.Stats().Queued > 0 {
				t.Errorf("outage %d after %d ms: %v are dead, %v are bad; %+v", kind, begins, r.dead, want, r.d.Stats())
			}
		}
	}
}
