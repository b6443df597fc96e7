package core

import "testing"

// roomFor serves so many groups at a time, each for as long as is said, and refuses the others.
func roomFor(r *groupRig, room *int, took Millis) func(*Group) (GroupOutcome, Millis) {
	return func(g *Group) (GroupOutcome, Millis) {
		busy := 0
		for i := range r.flying {
			if r.flying[i].outcome.Class == GroupAnswered {
				busy++
			}
		}
		if busy >= *room {
			return GroupOutcome{Class: GroupTrouble, Throttled: true, Reason: "429"}, 1
		}
		return allWell(g), took
	}
}

// Throttling lowers the limit by a part within some round trips; when there is room again, it grows step by step up to what may be.
func TestGroupLimitFollowsThrottling(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{MaxItems: 1, StartAt: 64, Concurrency: 200})
	room := 1000
	r.serve = roomFor(r, &room, 20)
	r.flood(10_000)
	if l := r.d.Stats().Limit; l != 200 {
		t.Fatalf("nobody throttles: limit %d, want all 200", l)
	}
	room = 20
	lowest := 200
	for range 2000 {
		before := r.d.Stats().Limit
		r.flood(1) // the way to a refusal and back
		now := r.d.Stats().Limit
		if now < before*6/10 {
			t.Errorf("the limit fell from %d to %d in one round trip", before, now)
		}
		lowest = min(lowest, now)
	}
	if lowest > 30 {
		t.Errorf("20 have room: the limit never fell below %d", lowest)
	}
	before := r.d.Stats()
	n, _ := r.flood(10_000)
	after := r.d.Stats()
	if refused := float64(after.Throttled-before.Throttled) / float64(after.Groups-before.Groups); n < 600 || refused > 0.1 {
		t.Errorf("20 have room, for 20 ms each: %d items/s, want at least 600 of 1,000; %.2f of the groups refused", n, refused)
	}
	room = 1000
	for last, grown := r.d.Stats().Limit, 0; last < 200; grown++ {
		r.flood(100)
		now := r.d.Stats().Limit
		if grown > 600 {
			t.Fatalf("there is room again: limit %d after a minute, want 200", now)
		}
		last = now
	}
}

// However often an item is refused because there are too many, that is not its failure.
func TestGroupThrottlingIsNobodysFailure(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{MaxItems: 1, Retry: Retry{Initial: 10, Max: 20}})
	refused := 0
	r.serve = func(g *Group) (GroupOutcome, Millis) {
		if g.Items[0].Target.ID == "unlucky" && refused < 30 {
			refused++
			return GroupOutcome{Class: GroupTrouble, Throttled: true, Reason: "429"}, 1
		}
		return allWell(g), 5
	}
	r.submit(&Invocation{Target: Address{Type: "f/g", ID: "unlucky"}, Attempt: 1})
	for i := range 300 {
		r.submit(groupItem(i))
		r.run(10)
	}
	r.run(1000)
	if r.allOK(); refused < 30 {
		t.Errorf("it was refused %d times, want 30", refused)
	}
}

// More groups at a time are of no use to an endpoint that gets slower by them.
func TestGroupLimitFollowsLatency(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{MaxItems: 1, StartAt: 4, Concurrency: 1024})
	r.serve = oneServerOf(r, 50, 20)
	r.flood(30_000)
	n, _ := r.flood(5000)
	if l := r.d.Stats().Limit; l < 40 || l > 200 || n < 2200 {
		t.Errorf("50 at a time take 20 ms: limit %d, want about 50 to 150; %d items/s, want nearly 2,500", l, n)
	}
}

// oneServerOf has so many processors: each group takes one for a time.
func oneServerOf(r *groupRig, processors int, took Millis) func(*Group) (GroupOutcome, Millis) {
	free := make([]Millis, processors)
	return func(g *Group) (GroupOutcome, Millis) {
		first := 0
		for i := range free {
			if free[i] < free[first] {
				first = i
			}
		}
		free[first] = max(free[first], r.now) + took
		return allWell(g), free[first] - r.now
	}
}

// The bounds hold whatever happens: a reserved concurrency, and what there is to begin with.
func TestGroupLimitKeepsItsBounds(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{MaxItems: 10, StartAt: 1000, Concurrency: 5})
	most := 0
	r.serve = func(g *Group) (GroupOutcome, Millis) {
		most = max(most, len(r.flying)+1)
		return allWell(g), 2000 // so long that the limit is raised for want of an answer
	}
	r.flood(20_000)
	if l := r.d.Stats().Limit; most != 5 || l != 5 {
		t.Errorf("a reserved concurrency of 5: %d at a time, limit %d", most, l)
	}
}

// Lambda takes 1,000 at once, and 1,000 more every ten seconds: with that ramp nothing is throttled, and nothing held back for long.
func TestGroupLimitOfLambda(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{MaxItems: 1, StartAt: 1000, Ramp: 1000, RampEvery: 10_000, Concurrency: 2800})
	began, room, most := r.now, 0, [4]int{}
	inner := roomFor(r, &room, 1000)
	r.serve = func(g *Group) (GroupOutcome, Millis) {
		since := int((r.now - began) / 10_000)
		room = 1000 * (1 + since)
		most[since] = max(most[since], len(r.flying)+1)
		return inner(g)
	}
	r.flood(35_000)
	if most[0] != 1000 || most[1] < 1900 || most[2] != 2800 || r.d.Stats().Throttled > 0 {
		t.Errorf("groups under way in each ten seconds: %v, want 1,000, 2,000, 2,800; %d throttled", most, r.d.Stats().Throttled)
	}
}
