package core

import "testing"

// However many items of an answer fail: while others in it succeed, that is theirs and not the endpoint's.
func TestGroupWithManyFailures(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{})
	r.serve = func(g *Group) (GroupOutcome, Millis) {
		o := allWell(g)
		for i := range g.Items {
			if i%3 > 0 {
				o.Items[i] = Outcome{Class: OutcomeFailed, Reason: "bad"}
			}
		}
		return o, 5
	}
	r.submitMany(99)
	r.run(5)
	failed := 0
	for _, o := range r.delivered {
		if o.Class == OutcomeFailed {
			failed++
		}
	}
	if len(r.sent) != 1 || len(r.delivered) != 99 || failed != 66 || r.d.Stats().Resting {
		t.Errorf("groups of %s items, %d delivered, %d failures, %+v", r.sizes(), len(r.delivered), failed, r.d.Stats())
	}
}
