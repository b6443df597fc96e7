package endpoint_test

import (
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stateway/stateway/faas/endpoint"
	"github.com/stateway/stateway/runtime/core"
)

// groupServer answers groups each in a goroutine, with what serve says.
type groupServer struct {
	serve func(g *core.Group) core.GroupOutcome
	done  func([]endpoint.GroupResult)
	tasks sync.WaitGroup

	mu   sync.Mutex
	seen []int // items of each group; guarded by mu
}

func (s *groupServer) Send(groups []*core.Group) {
	for _, g := range groups {
		s.mu.Lock()
		s.seen = append(s.seen, len(g.Items))
		s.mu.Unlock()
		s.tasks.Go(func() {
			time.Sleep(5 * time.Millisecond)
			s.done([]endpoint.GroupResult{{Group: g, Outcome: s.serve(g)}})
		})
	}
}

func (s *groupServer) Close() { s.tasks.Wait() }

func startGroups(t *testing.T, cfg endpoint.Config, s *groupServer) (*endpoint.Groups, chan core.Result) {
	t.Helper()
	results := make(chan core.Result, 10_000)
	cfg.Now, cfg.Window = now, func(int) {}
	cfg.Deliver = func(rs []core.Result) {
		for _, r := range rs {
			results <- r
		}
	}
	e, err := endpoint.NewGroups(cfg, func(done func([]endpoint.GroupResult)) (endpoint.GroupTransport, error) {
		s.done = done
		return s, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return e, results
}

func wellDone(g *core.Group) core.GroupOutcome {
	o := core.GroupOutcome{Items: make([]core.Outcome, len(g.Items))}
	for i := range o.Items {
		o.Items[i].Response = &core.Response{}
	}
	return o
}

func someInvocations(n int) []*core.Invocation {
	var invs []*core.Invocation
	for i := range n {
		invs = append(invs, invocation(strconv.Itoa(i)))
	}
	return invs
}

// What is submitted together travels together; answers are checked item by item; one bad item fails alone.
func TestGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &groupServer{serve: func(g *core.Group) core.GroupOutcome {
			o := wellDone(g)
			for i, inv := range g.Items {
				switch inv.Target.ID {
				case "7":
					return core.GroupOutcome{Class: core.GroupFailed, Reason: "crashed"}
				case "9":
					o.Items[i].Response.Egresses = []core.EgressRecord{{Egress: "no/where"}}
				}
			}
			return o
		}}
		check := func(_ *core.Invocation, r *core.Response) error {
			if len(r.Egresses) > 0 {
				return strconv.ErrSyntax
			}
			return nil
		}
		e, results := startGroups(t, endpoint.Config{Check: check}, s)
		e.Submit(someInvocations(100))
		for range 100 {
			r := <-results
			failed := r.Outcome.Class == core.OutcomeFailed
			if want := r.Invocation.Target.ID == "7" || r.Invocation.Target.ID == "9"; failed != want {
				t.Errorf("%s: %+v", r.Invocation.Target, r.Outcome)
			}
		}
		synctest.Wait()
		if st := e.Stats(); st.Groups.Splits == 0 || st.Groups.Groups != uint64(len(s.seen)) || st.Answers[core.OutcomeFailed] == 0 || st.Queued != 0 {
			t.Errorf("%+v", st)
		}
		if s.seen[0] != 100 {
			t.Errorf("groups of %v items, want 100 first", s.seen)
		}
		e.Close()
	})
}

// An endpoint that is down is told of once, and everything is served when it is back; what was given up is not delivered.
func TestGroupsThroughTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s := &groupServer{serve: func(g *core.Group) core.GroupOutcome {
			if time.Since(began) < time.Hour {
				return core.GroupOutcome{Class: core.GroupTrouble, Reason: "connection refused"}
			}
			return wellDone(g)
		}}
		var told []bool
		e, results := startGroups(t, endpoint.Config{Trouble: func(begins bool, reason string) {
			told = append(told, begins)
			if reason != "connection refused" {
				t.Errorf("reason %q", reason)
			}
		}}, s)
		old := invocation("old")
		e.Submit([]*core.Invocation{old})
		young := someInvocations(50)
		for _, inv := range young {
			inv.Try.Generation = 2
		}
		e.Forget(2)
		e.Submit(young)
		for range young {
			if r := <-results; r.Outcome.Class != core.OutcomeOK || r.Invocation == old {
				t.Errorf("%s: %+v", r.Invocation.Target, r.Outcome)
			}
		}
		if d := time.Since(began); d > time.Hour+2*time.Minute {
			t.Errorf("back after %v", d)
		}
		synctest.Wait()
		if len(told) != 2 || !told[0] || told[1] {
			t.Errorf("told %v, want that it begins and that it is over", told)
		}
		e.Close()
		e.Submit(young)
		e.Forget(9)
	})
}
