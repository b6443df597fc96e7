package core

import "testing"

// Until the endpoint has made known that it takes more, invocations travel alone; afterwards together; and alone again when it says so.
func TestGroupsOfWhatTheEndpointTakes(t *testing.T) {
	together := 0
	r := newGroupRig(t, GroupDispatcherConfig{StartItems: 1, MaxItems: 100, StartAt: 4, Concurrency: 4})
	r.serve = func(g *Group) (GroupOutcome, Millis) {
		o := allWell(g)
		o.Together, o.Stray = together, 2
		return o, 5
	}
	largest := func(n int) int {
		t.Helper()
		r.sent = nil
		r.submitMany(n)
		r.run(10_000)
		if len(r.delivered) != r.submitted {
			t.Fatalf("%d of %d delivered", len(r.delivered), r.submitted)
		}
		most := 0
		for _, g := range r.sent {
			most = max(most, len(g.Items))
		}
		return most
	}
	for _, step := range []struct{ together, want int }{{0, 1}, {1, 1}, {1 << 20, 100}, {1 << 20, 100}, {0, 100}, {30, 100}, {30, 30}, {1, 30}, {1, 1}} {
		together = step.together
		if got := largest(500); got != step.want {
			t.Errorf("after %d together: groups of up to %d, want %d", step.together, got, step.want)
		}
	}
	if st := r.d.Stats(); st.Stray != 2*st.Groups || st.Busy != Millis(5*st.Groups) {
		t.Errorf("%d stray answers of %d groups in %d ms", st.Stray, st.Groups, st.Busy)
	}
}

// What the endpoint took to be there is not taken off anybody's call budget.
func TestGroupWaited(t *testing.T) {
	for _, waited := range []Millis{-5, 0, 60_000, 120_000} {
		r := newGroupRig(t, GroupDispatcherConfig{})
		r.serve = func(g *Group) (GroupOutcome, Millis) {
			return GroupOutcome{Waited: waited, Items: []Outcome{{Class: OutcomeFailed, Reason: "no"}}}, 61_000
		}
		inv := r.submitMany(1)[0]
		r.run(100_000)
		if got, want := r.delivered[inv].Took, max(61_000-max(waited, 0), 0); got != want {
			t.Errorf("waited %d: took %d, want %d", waited, got, want)
		}
	}
}
