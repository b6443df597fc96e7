package core

import "testing"

// A probe whose item asks to be tried again lengthens the rest, at least for as long as the item asks: the endpoint answers, but its
// function is not there yet.
func TestGroupProbeThatAsksForLater(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{Retry: Retry{Initial: 100, Max: 1000}})
	began := r.now
	r.serve = func(g *Group) (GroupOutcome, Millis) {
		switch at := r.now - began; {
		case at < 1000:
			return GroupOutcome{Class: GroupTrouble, Reason: "503"}, 5
		case at < 60_000:
			o := allWell(g)
			for i := range o.Items {
				o.Items[i] = Outcome{Class: OutcomeTrouble, Reason: "it starts", RetryAfter: 5000}
			}
			return o, 5
		}
		return allWell(g), 5
	}
	r.submitMany(100)
	r.run(50_000)
	if n := len(r.sent); n > 50 || !r.d.Stats().Resting {
		t.Errorf("%d groups in 50 s to a server that asks for 5 s each time; %+v", n, r.d.Stats())
	}
	r.run(60_000)
	r.allOK()
}

// A probe waits for no company.
func TestGroupProbesDoNotLinger(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{Linger: 1000, Retry: Retry{Initial: 100, Max: 200}})
	r.serve = func(*Group) (GroupOutcome, Millis) { return GroupOutcome{Class: GroupTrouble, Reason: "503"}, 5 }
	r.submitMany(3)
	for !r.d.Stats().Resting {
		r.run(100)
	}
	r.step(GroupEvent{Kind: GroupForget, Generation: 2})
	r.run(1000)
	r.serve, r.submitted = func(g *Group) (GroupOutcome, Millis) { return allWell(g), 5 }, 1
	young := groupItem(7)
	young.Try.Generation = 2
	began := r.now
	r.step(GroupEvent{Kind: GroupSubmit, Invocation: young})
	r.run(5000)
	if len(r.delivered) != 1 || r.now > began+300 {
		t.Errorf("%d delivered, after %d ms; %+v", len(r.delivered), r.now-began, r.d.Stats())
	}
}

// An item is not tried before its time as a probe either; when there is nothing else to probe with, its time is waited for.
func TestGroupProbesWaitForWhatAsksForLater(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{Retry: Retry{Initial: 10, Max: 20}})
	began, tried := r.now, []Millis{}
	r.serve = func(g *Group) (GroupOutcome, Millis) {
		o := allWell(g)
		for i, inv := range g.Items {
			if inv.Target.ID != "0" {
				continue
			}
			if tried = append(tried, r.now-began); len(tried) == 1 {
				o.Items[i] = Outcome{Class: OutcomeTrouble, RetryAfter: 30_000}
			}
		}
		if r.now > began && r.now < began+1000 {
			o = GroupOutcome{Class: GroupTrouble, Reason: "503"}
		}
		return o, 5
	}
	r.submitMany(3)
	r.run(6)
	r.submit(groupItem(10))
	r.run(60_000)
	r.allOK()
	if len(tried) != 2 || tried[1] < 30_000 || tried[1] > 31_000 {
		t.Errorf("an item that asked for 30 s was tried after %d ms; %+v", tried, r.d.Stats())
	}
}
