package core

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// groupRig drives a GroupDispatcher in virtual time against an endpoint that a test describes.
type groupRig struct {
	t   groupTB
	d   *GroupDispatcher
	now Millis
	// serve is what becomes of a group, and how long it takes.
	serve func(g *Group) (GroupOutcome, Millis)

	flying    []rigFlight
	submitted int
	sent      []*Group
	delivered map[*Invocation]Outcome
	inFlight  map[*Invocation]bool
	served    map[*Invocation]int // by good answers
	came      map[*Invocation]Millis
}

type rigFlight struct {
	group   *Group
	outcome GroupOutcome
	at      Millis
}

func newGroupRig(t groupTB, cfg GroupDispatcherConfig) *groupRig {
	r := &groupRig{
		t: t, d: NewGroupDispatcher(cfg), now: 1000,
		delivered: map[*Invocation]Outcome{}, inFlight: map[*Invocation]bool{}, served: map[*Invocation]int{},
	}
	r.serve = func(g *Group) (GroupOutcome, Millis) { return allWell(g), 5 }
	r.step()
	return r
}

// allWell answers every item.
func allWell(g *Group) GroupOutcome {
	o := GroupOutcome{Items: make([]Outcome, len(g.Items))}
	for i := range o.Items {
		o.Items[i].Response = &Response{}
	}
	return o
}

func groupItem(i int) *Invocation {
	return &Invocation{Target: Address{Type: "f/g", ID: fmt.Sprint(i)}, Attempt: 1, Messages: []*Message{{}}}
}

// submit hands over n invocations in one batch of events.
func (r *groupRig) submit(invs ...*Invocation) {
	var events []GroupEvent
	for _, inv := range invs {
		events = append(events, GroupEvent{Kind: GroupSubmit, Invocation: inv})
	}
	r.submitted += len(invs)
	r.step(events...)
}

func (r *groupRig) submitMany(n int) []*Invocation {
	invs := r.invs(n)
	r.submit(invs...)
	return invs
}

func (r *groupRig) invs(n int) []*Invocation {
	invs := make([]*Invocation, 0, n+1)
	for i := range n {
		invs = append(invs, groupItem(i))
	}
	return invs
}

func (r *groupRig) step(events ...GroupEvent) {
	out := r.d.Step(&GroupEvent{Kind: GroupTick, Now: r.now}, nil)
	for i := range events {
		out = r.d.Step(&events[i], out)
	}
	for _, e := range r.d.Send(out) {
		switch e.Kind {
		case DispatchSend:
			r.send(e.Group)
		case DispatchDeliver:
			r.deliver(e.Result)
		case DispatchWindow, DispatchWake:
		}
	}
}

func (r *groupRig) send(g *Group) {
	if len(g.Items) == 0 || len(g.Items) > r.d.cfg.MaxItems {
		r.t.Fatalf("a group of %d items", len(g.Items))
	}
	for _, inv := range g.Items {
		if r.inFlight[inv] || r.served[inv] > 0 {
			r.t.Fatalf("%s is sent though it is under way or answered", inv.Target)
		}
		r.inFlight[inv] = true
	}
	limit := r.d.Stats().Limit
	if g.probe {
		limit = r.d.cfg.Concurrency
	}
	if n := len(r.flying); n >= limit {
		r.t.Errorf("one more than %d groups under way, limit %d", n, limit)
	}
	r.sent = append(r.sent, g)
	o, took := r.serve(g)
	r.flying = append(r.flying, rigFlight{group: g, outcome: o, at: r.now + took})
}

func (r *groupRig) deliver(res Result) {
	if _, twice := r.delivered[res.Invocation]; twice {
		r.t.Fatalf("%s is delivered twice", res.Invocation.Target)
	}
	r.delivered[res.Invocation] = res.Outcome
}

// run goes on until everything is delivered or so much time has passed.
func (r *groupRig) run(most Millis) {
	for end := r.now + most; r.now < end && len(r.delivered) < r.submitted; {
		next := end
		for i := range r.flying {
			next = min(next, r.flying[i].at)
		}
		if w := r.d.Wake(); w > 0 {
			next = min(next, w)
		}
		r.now = max(r.now, next)
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
		r.step(events...)
	}
}

func (r *groupRig) answer(f rigFlight) GroupEvent {
	for i, inv := range f.group.Items {
		delete(r.inFlight, inv)
		o := &f.outcome
		if o.Class == GroupAnswered && len(o.Items) == len(f.group.Items) && o.Items[i].Class == OutcomeOK && o.Items[i].Response != nil {
			r.served[inv]++
		}
	}
	return GroupEvent{Kind: GroupDone, Group: f.group, Outcome: &f.outcome}
}

func (r *groupRig) allOK() {
	r.t.Helper()
	if len(r.delivered) != r.submitted {
		r.t.Errorf("%d of %d were delivered", len(r.delivered), r.submitted)
	}
	for inv, o := range r.delivered {
		if o.Class != OutcomeOK {
			r.t.Errorf("%s: %+v", inv.Target, o)
		}
	}
}

// sizes are the items of the groups sent.
func (r *groupRig) sizes() string {
	var s []string
	for _, g := range r.sent {
		s = append(s, fmt.Sprint(len(g.Items)))
	}
	return strings.Join(s, " ")
}

// Under light load every item goes at once and alone; what comes together, or while all slots are taken, travels together.
func TestGroupsForm(t *testing.T) {
	cases := []struct {
		name string
		cfg  GroupDispatcherConfig
		do   func(r *groupRig)
		want string
	}{
		{"one after the other", GroupDispatcherConfig{}, func(r *groupRig) {
			for i := range 3 {
				r.submit(groupItem(i))
				r.now++
			}
		}, "1 1 1"},
		{"together", GroupDispatcherConfig{}, func(r *groupRig) { r.submitMany(5) }, "5"},
		{"more than a group holds", GroupDispatcherConfig{MaxItems: 4}, func(r *groupRig) { r.submitMany(9) }, "4 4 1"},
		{"no slot is free", GroupDispatcherConfig{StartAt: 1, Concurrency: 1}, func(r *groupRig) {
			for i := range 5 {
				r.submit(groupItem(i))
			}
			r.run(1000)
		}, "1 4"},
		{"bytes", GroupDispatcherConfig{MaxBytes: 100, Size: func(*Invocation) int { return 30 }}, func(r *groupRig) { r.submitMany(7) }, "3 3 1"},
		{"failed before", GroupDispatcherConfig{}, func(r *groupRig) {
			again := groupItem(7)
			again.Alone = true
			r.submit(groupItem(1), again, groupItem(2))
		}, "1 2"},
		{"linger until the time is over", GroupDispatcherConfig{Linger: 100}, func(r *groupRig) {
			for i := range 5 {
				r.submit(groupItem(i))
				r.now += 10
			}
			r.run(1000)
		}, "5"},
		{"linger until the group is full", GroupDispatcherConfig{Linger: 100, MaxItems: 3}, func(r *groupRig) {
			for i := range 5 {
				r.submit(groupItem(i))
				r.now += 10
			}
			r.run(1000)
		}, "3 2"},
		{"linger until the bytes are full", GroupDispatcherConfig{Linger: 100, MaxBytes: 100, Size: func(*Invocation) int { return 50 }}, func(r *groupRig) {
			for i := range 3 {
				r.submit(groupItem(i))
			}
			r.run(1000)
		}, "2 1"},
	}
	for _, c := range cases {
		r := newGroupRig(t, c.cfg)
		c.do(r)
		r.run(1000)
		if got := r.sizes(); got != c.want {
			t.Errorf("%s: groups of %s items, want %s", c.name, got, c.want)
		}
		r.allOK()
	}
}

// One bad item among many is found with few groups, and no other is sent again once it was answered.
func TestGroupWithPoison(t *testing.T) {
	for _, n := range []int{2, 3, 10, 1000} {
		for _, bad := range []int{0, n / 2, n - 1} {
			r := newGroupRig(t, GroupDispatcherConfig{})
			r.serve = func(g *Group) (GroupOutcome, Millis) {
				for _, inv := range g.Items {
					if inv.Target.ID == fmt.Sprint(bad) {
						return GroupOutcome{Class: GroupFailed, Reason: "no answer"}, 5
					}
				}
				return allWell(g), 5
			}
			invs := r.submitMany(n)
			r.run(60_000)
			if extra, most := len(r.sent)-1, 2*bits.Len(uint(n)); extra > most { //nolint:gosec // a small number
				t.Errorf("%d items, item %d is bad: %d more groups, want at most %d", n, bad, extra, most)
			}
			for i, inv := range invs {
				if o := r.delivered[inv]; (o.Class == OutcomeFailed) != (i == bad) {
					t.Errorf("%d items, item %d is bad: item %d got %+v", n, bad, i, o)
				}
			}
		}
	}
}

// A deployment that fails everything is the endpoint's trouble: nobody's tries are used up, and all goes on when it is mended.
func TestGroupsOfABrokenDeployment(t *testing.T) {
	for _, class := range []GroupClass{GroupFailed, GroupAnswered, GroupTrouble} {
		r := newGroupRig(t, GroupDispatcherConfig{Retry: Retry{Initial: 100, Max: 1000}})
		mended := Millis(60_000)
		r.serve = func(g *Group) (GroupOutcome, Millis) {
			o := allWell(g)
			if r.now < mended && class == GroupAnswered {
				for i := range o.Items {
					o.Items[i] = Outcome{Class: OutcomeFailed, Reason: "broken"}
				}
			} else if r.now < mended {
				o = GroupOutcome{Class: class, Reason: "broken"}
			}
			return o, 5
		}
		r.submitMany(1000)
		r.run(50_000)
		failed := 0
		for _, o := range r.delivered {
			if o.Class == OutcomeFailed {
				failed++
			}
		}
		if !r.d.Stats().Resting || failed >= failStreak {
			t.Errorf("class %d: %d failures were delivered, want fewer than %d; %+v", class, failed, failStreak, r.d.Stats())
		}
		if n := len(r.sent); n > 500 {
			t.Errorf("class %d: %d groups were sent to a broken endpoint in 50 s", class, n)
		}
		r.run(120_000)
		if len(r.delivered) != 1000 {
			t.Errorf("class %d: %d of 1,000 delivered after it was mended", class, len(r.delivered))
		}
	}
}

// What an answer says of single items concerns only these.
func TestGroupAnswers(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{})
	tries := map[string]int{}
	r.serve = func(g *Group) (GroupOutcome, Millis) {
		o := allWell(g)
		for i, inv := range g.Items {
			id := inv.Target.ID
			tries[id]++
			switch {
			case id == "1" && tries[id] == 1:
				o.Items[i] = Outcome{}
			case id == "2" && tries[id] == 1:
				o.Items[i] = Outcome{Class: OutcomeTrouble, RetryAfter: 700}
			case id == "3":
				o.Items[i] = Outcome{Class: OutcomeFailed, Reason: "bad", Final: true}
			}
		}
		return o, 5
	}
	began := r.now
	invs := r.submitMany(5)
	r.run(10_000)
	if got := r.sizes(); got != "5 1 1" {
		t.Errorf("groups of %s items, want 5 1 1", got)
	}
	if o := r.delivered[invs[3]]; o.Class != OutcomeFailed || !o.Final || o.Reason != "bad" {
		t.Errorf("the failed item: %+v", o)
	}
	if r.now < began+700 {
		t.Errorf("the item that asked for 700 ms came after %d", r.now-began)
	}
	if len(r.delivered) != 5 || r.d.Stats().Missing != 1 {
		t.Errorf("%d delivered, %+v", len(r.delivered), r.d.Stats())
	}
}

// An item that an answer to it alone does not speak of has failed; so has one that is larger than any request.
func TestGroupItemFailures(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{MaxBytes: 10, Size: func(inv *Invocation) int { return len(inv.Target.ID) * 6 }})
	r.serve = func(g *Group) (GroupOutcome, Millis) { return GroupOutcome{Items: make([]Outcome, len(g.Items))}, 5 }
	lost, large := groupItem(1), groupItem(12)
	again := groupItem(34)
	again.Alone = true
	r.submit(lost, large, again)
	r.run(1000)
	if o := r.delivered[lost]; o.Class != OutcomeFailed || o.Final || o.Answered {
		t.Errorf("without an answer: %+v", o)
	}
	for _, inv := range []*Invocation{large, again} {
		if o := r.delivered[inv]; o.Class != OutcomeFailed || !o.Final || !strings.Contains(o.Reason, "12 bytes") {
			t.Errorf("too large: %+v", o)
		}
	}
	r.serve = func(g *Group) (GroupOutcome, Millis) {
		if len(g.Items) > 2 {
			return GroupOutcome{Class: GroupTooLarge, Reason: "413"}, 5
		}
		return allWell(g), 5
	}
	r.d.cfg.MaxBytes = 1000
	before := len(r.sent)
	r.submitMany(8)
	r.run(1000)
	if n := len(r.sent) - before; n != 7 {
		t.Errorf("an endpoint that takes two items: %d groups for eight, want 1+2+4", n)
	}
}

// Throttling lowers how many are under way, and gives none of them up.
func TestGroupsAreThrottled(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{MaxItems: 10})
	r.serve = func(g *Group) (GroupOutcome, Millis) {
		if len(r.flying) >= 8 {
			return GroupOutcome{Class: GroupTrouble, Throttled: true, Reason: "429"}, 1
		}
		return allWell(g), 50
	}
	r.submitMany(5000)
	r.run(600_000)
	r.allOK()
	if s := r.d.Stats(); s.Throttled == 0 || s.Throttled > s.Groups/2 {
		t.Errorf("%d of %d groups were throttled", s.Throttled, s.Groups)
	}
}

// The limit follows what the endpoint can grow by.
func TestGroupRamp(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{MaxItems: 1, StartAt: 4, Ramp: 8, RampEvery: 10_000, Concurrency: 20})
	most := map[Millis]int{}
	r.serve = func(g *Group) (GroupOutcome, Millis) {
		most[(r.now-1000)/10_000] = max(most[(r.now-1000)/10_000], len(r.flying)+1)
		return allWell(g), 100
	}
	r.submitMany(20_000)
	r.run(35_000)
	if most[0] > 8 || most[1] > 16 || most[2] > 20 || most[2] < 17 {
		t.Errorf("groups under way in each ten seconds: %v, want at most 8, 16, 20", most)
	}
}

// Groups get smaller until they meet the target, and larger again.
func TestGroupTarget(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{Target: 100, StartAt: 1, Concurrency: 1})
	r.serve = func(g *Group) (GroupOutcome, Millis) { return allWell(g), Millis(len(g.Items)) }
	r.submitMany(40_000)
	r.run(15_000)
	if n := len(r.sent[len(r.sent)-1].Items); n < 60 || n > 120 {
		t.Errorf("an item takes 1 ms and a group should take 100: %d items", n)
	}
	r.serve = func(g *Group) (GroupOutcome, Millis) { return allWell(g), Millis(len(g.Items)) / 4 }
	r.run(1500)
	if n := len(r.sent[len(r.sent)-1].Items); n < 240 || n > 480 {
		t.Errorf("an item takes 0.25 ms and a group should take 100: %d items", n)
	}
}

// While one item takes longer than the target, every 16th group of fresh items has one, in the order in which they came, also when as many
// groups are tried again. Where one is in time, none has.
func TestGroupTargetAsksForOneItem(t *testing.T) {
	for _, c := range []struct {
		linger, took Millis
		every        int
	}{{0, 300, 16}, {20, 300, 16}, {0, 20, 0}, {20, 20, 0}} {
		r := newGroupRig(t, GroupDispatcherConfig{Target: 100, StartAt: 1, Concurrency: 1, Linger: c.linger})
		r.serve = func(g *Group) (GroupOutcome, Millis) { return allWell(g), c.took + Millis(len(g.Items)) }
		r.submitMany(60_000)
		r.run(60_000)
		r.submit(alone(r.invs(200))...)
		r.sent = nil
		r.run(100_000)
		next, since, asked := -1, 0, 0
		for _, g := range r.sent {
			if g.Items[0].Alone {
				continue
			}
			id, _ := strconv.Atoi(g.Items[0].Target.ID)
			if next >= 0 && id != next {
				t.Fatalf("%+v: item %d is sent, want %d", c, id, next)
			}
			next, since = id+len(g.Items), since+1
			if len(g.Items) > 1 {
				continue
			}
			if asked > 0 && since != c.every {
				t.Errorf("%+v: one item after %d groups", c, since)
			}
			asked, since = asked+1, 0
		}
		if (asked > 0) != (c.every > 0) || since > 16 && c.every > 0 {
			t.Errorf("%+v: %d groups of one item among %d", c, asked, len(r.sent))
		}
	}
}

// alone makes them such as have failed without an answer.
func alone(invs []*Invocation) []*Invocation {
	for _, inv := range invs {
		inv.Alone = true
	}
	return invs
}

// How long an item takes that has failed without an answer says nothing of others.
func TestGroupTargetOfWhatTravelsAlone(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{Target: 100, StartAt: 1, Concurrency: 1})
	r.serve = func(g *Group) (GroupOutcome, Millis) {
		if g.Items[0].Alone {
			return allWell(g), 2000
		}
		return allWell(g), 12 * Millis(len(g.Items))
	}
	r.submitMany(1000)
	r.run(60_000)
	before := r.d.size
	r.submit(alone(r.invs(20))...)
	r.run(60_000)
	if r.allOK(); r.d.size != before {
		t.Errorf("%+v after items that travel alone, before %+v", r.d.size, before)
	}
}

// Nor does how long one takes that the answer to its group lacks, and that is sent again by itself.
func TestGroupTargetOfWhatIsMissing(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{Target: 100, StartAt: 1, Concurrency: 1})
	again := 0
	r.serve = func(g *Group) (GroupOutcome, Millis) {
		if len(g.Items) == 1 && g.whole {
			again++
			return allWell(g), 2000
		}
		o := allWell(g)
		if len(g.Items) > 1 && g.N%3 == 0 {
			o.Items[0] = Outcome{}
		}
		return o, 12 * Millis(len(g.Items))
	}
	r.submitMany(1000)
	r.run(300_000)
	if r.allOK(); again < 10 || r.d.size.one > 20 {
		t.Errorf("%d items were sent again, and one is taken to need %v ms, want 12", again, r.d.size.one)
	}
}

// A group that is given up late says as much of its size as one that is answered late; its halves, in which a bad item is sought, do not.
func TestGroupTargetOfWhatIsGivenUp(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{Target: 100, StartAt: 1, Concurrency: 1})
	r.serve = func(g *Group) (GroupOutcome, Millis) { return allWell(g), 20 }
	r.submitMany(3000)
	r.run(1000)
	r.serve = func(g *Group) (GroupOutcome, Millis) {
		if len(g.Items) > 50 {
			return GroupOutcome{Class: GroupFailed, Reason: "no answer in time"}, 500
		}
		return allWell(g), 20
	}
	before := r.d.size.limit()
	r.submitMany(5000)
	r.run(60_000)
	if n := r.d.size.limit(); before != 1000 || n > 100 {
		t.Errorf("groups of more than 50 items are given up: %d items, before %d", n, before)
	}
	bad := groupItem(-1)
	r.serve = servePoison([]int{-1})
	r.submitMany(2000)
	r.run(5000)
	before = r.d.size.limit()
	r.serve = func(g *Group) (GroupOutcome, Millis) {
		if o, _ := servePoison([]int{-1})(g); o.Class == GroupFailed {
			return o, 500
		}
		return allWell(g), 20
	}
	r.submit(append([]*Invocation{bad}, r.invs(500)...)...)
	r.run(60_000)
	if n := r.d.size.limit(); n < before*3/4 {
		t.Errorf("one bad item hangs: %d items, before %d", n, before)
	}
}

// What is given up is neither sent nor delivered.
func TestGroupForget(t *testing.T) {
	r := newGroupRig(t, GroupDispatcherConfig{StartAt: 1, Concurrency: 1, MaxItems: 4})
	r.serve = func(*Group) (GroupOutcome, Millis) { return GroupOutcome{Class: GroupFailed}, 5 }
	r.submitMany(10)
	r.step(GroupEvent{Kind: GroupForget, Generation: 2})
	r.run(1000)
	if len(r.delivered) > 0 || len(r.sent) != 1 || r.d.Stats().Queued != 0 {
		t.Errorf("%d delivered, %d sent, %+v", len(r.delivered), len(r.sent), r.d.Stats())
	}
	young := groupItem(99)
	young.Try.Generation = 2
	r.serve = func(g *Group) (GroupOutcome, Millis) { return allWell(g), 5 }
	r.submitted = 1
	r.step(GroupEvent{Kind: GroupSubmit, Invocation: young})
	r.run(1000)
	if _, ok := r.delivered[young]; !ok || len(r.delivered) != 1 {
		t.Errorf("delivered %v", r.delivered)
	}
}

// Whatever the endpoint does for a while, everything is delivered once, and what is well is not failed.
func TestGroupDispatcherAnything(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cfg := GroupDispatcherConfig{
			MaxItems: rapid.IntRange(1, 40).Draw(rt, "items"), Concurrency: rapid.IntRange(1, 20).Draw(rt, "concurrency"),
			Linger: rapid.SampledFrom([]Millis{0, 0, 20}).Draw(rt, "linger"), Target: rapid.SampledFrom([]Millis{0, 30}).Draw(rt, "target"),
			Ramp: rapid.SampledFrom([]int{0, 3}).Draw(rt, "ramp"), RampEvery: 100, Seed: 1,
			Retry: Retry{Initial: 5, Max: 200},
		}
		r := newGroupRig(rt, cfg)
		healed := r.now + 3000
		r.serve = func(g *Group) (GroupOutcome, Millis) {
			took := Millis(rapid.IntRange(0, 40).Draw(rt, "took"))
			o := allWell(g)
			if r.now >= healed {
				return o, took
			}
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0:
				o = GroupOutcome{Class: GroupFailed, Reason: "failed"}
			case 1:
				o = GroupOutcome{Class: GroupTrouble, Reason: "trouble", Throttled: rapid.Bool().Draw(rt, "throttled"), RetryAfter: took * 3}
			case 2:
				o = GroupOutcome{Class: GroupTooLarge, Reason: "large"}
			case 3:
				o.Items = o.Items[1:] // an answer of another length is none
			case 4:
				for i := range o.Items {
					switch rapid.IntRange(0, 5).Draw(rt, "item") {
					case 0:
						o.Items[i] = Outcome{}
					case 1:
						o.Items[i] = Outcome{Class: OutcomeTrouble, RetryAfter: took * 5}
					case 2:
						o.Items[i] = Outcome{Class: OutcomeFailed}
					}
				}
			}
			return o, took
		}
		for i := range rapid.IntRange(1, 30).Draw(rt, "batches") {
			var invs []*Invocation
			for j := range rapid.IntRange(1, 30).Draw(rt, "batch") {
				inv := groupItem(i*100 + j)
				inv.Alone = rapid.IntRange(0, 3).Draw(rt, "alone") == 0
				invs = append(invs, inv)
			}
			r.submit(invs...)
			r.run(Millis(rapid.IntRange(0, 100).Draw(rt, "pause")))
		}
		r.run(10 * 60_000)
		if len(r.delivered) != r.submitted {
			rt.Fatalf("%d of %d delivered; %+v", len(r.delivered), r.submitted, r.d.Stats())
		}
		if s := r.d.Stats(); s.Queued != 0 || s.Flying != 0 {
			rt.Fatalf("all delivered, and yet %+v", s)
		}
	})
}

// groupTB is what testing.TB and rapid.T share.
type groupTB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}
