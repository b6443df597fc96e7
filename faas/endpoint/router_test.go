package endpoint_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stateway/stateway/faas/endpoint"
	"github.com/stateway/stateway/runtime/core"
)

// routerRig is a Router whose addresses are the names of function types.
type routerRig struct {
	*endpoint.Router
	results chan core.Result

	mu      sync.Mutex
	servers map[string]*groupServer // by address; one that was opened again replaces the older
	opened  int
	windows []int
}

func startRouter(t *testing.T, serve func(address string, g *core.Group) core.GroupOutcome) *routerRig {
	t.Helper()
	r := &routerRig{results: make(chan core.Result, 100_000), servers: map[string]*groupServer{}}
	deliver := func(rs []core.Result) {
		for _, res := range rs {
			r.results <- res
		}
	}
	r.Router = endpoint.NewRouter(endpoint.RouterConfig{
		Deliver: deliver,
		Route: func(f core.FunctionType) (string, error) {
			if strings.HasPrefix(f.Name(), "bad") {
				return "", errors.New("no URL for " + f.Name())
			}
			return f.Name(), nil
		},
		Window: func(n int) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.windows = append(r.windows, n)
		},
		Open: func(address string, deliver func([]core.Result), window func(int)) (*endpoint.Groups, error) {
			if address == "closed" {
				return nil, errors.New("no such file")
			}
			s := &groupServer{serve: func(g *core.Group) core.GroupOutcome { return serve(address, g) }}
			r.mu.Lock()
			r.servers[address] = s
			r.opened++
			r.mu.Unlock()
			cfg := endpoint.Config{Now: now, Deliver: deliver, Window: window, Price: endpoint.Price{Request: 2, Second: 1000}}
			return endpoint.NewGroups(cfg, func(done func([]endpoint.GroupResult)) (endpoint.GroupTransport, error) {
				s.done = done
				return s, nil
			})
		},
	})
	return r
}

func (r *routerRig) window() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.windows[len(r.windows)-1]
}

// to makes invocations of a function.
func to(name string, n int) []*core.Invocation {
	invs := someInvocations(n)
	for _, inv := range invs {
		inv.Target.Type = core.FunctionType("f/" + name)
	}
	return invs
}

// What goes to one address travels together, whatever else was submitted with it, and nothing else does.
func TestRouterSeparates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRouter(t, func(_ string, g *core.Group) core.GroupOutcome { return wellDone(g) })
		r.Submit(append(append(to("a", 100), to("b", 30)...), to("a", 5)...))
		for range 135 {
			if res := <-r.results; res.Outcome.Class != core.OutcomeOK {
				t.Errorf("%+v", res.Outcome)
			}
		}
		synctest.Wait()
		if a, b := fmt.Sprint(r.servers["a"].seen), fmt.Sprint(r.servers["b"].seen); a != "[100 5]" || b != "[30]" {
			t.Errorf("groups of %s and %s", a, b)
		}
		st := r.Stats()
		if st.Groups.Items != 135 || st.Groups.Groups != 3 || st.Answers[core.OutcomeOK] != 135 || st.Queued+st.Flying != 0 || st.Limit < 2 {
			t.Errorf("%+v", st)
		}
		if busy := float64(st.Groups.Busy); busy < 15 || st.Groups.Cost != 3*2+busy {
			t.Errorf("%d ms cost %v", st.Groups.Busy, st.Groups.Cost)
		}
		r.Close()
		if after := r.Stats(); after.Groups != st.Groups {
			t.Errorf("closed: %+v, before %+v", after.Groups, st.Groups)
		}
		r.Submit(to("a", 1))
	})
}

// A name that leads nowhere, and an address that cannot be opened, fail whoever calls them.
func TestRouterRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRouter(t, func(_ string, g *core.Group) core.GroupOutcome { return wellDone(g) })
		defer r.Close()
		r.Submit(append(to("bad", 2), to("closed", 1)...))
		for range 3 {
			res := <-r.results
			if o := res.Outcome; o.Class != core.OutcomeFailed || !strings.Contains(o.Reason, "no") {
				t.Errorf("%+v", o)
			}
		}
	})
}

// What an address in trouble holds keeps nobody else out, and the window is back when the trouble is over.
func TestRouterWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r := startRouter(t, func(address string, g *core.Group) core.GroupOutcome {
			if address == "ill" && time.Since(began) < time.Hour {
				return core.GroupOutcome{Class: core.GroupTrouble, Reason: "connection refused"}
			}
			return wellDone(g)
		})
		defer r.Close()
		r.Submit(to("well", 1))
		<-r.results
		synctest.Wait()
		r.Submit(to("ill", 10))
		time.Sleep(time.Minute)
		before := r.window()
		r.Submit(to("ill", 20_000))
		synctest.Wait()
		if w := r.window(); w < before+19_000 || w > before+20_500 {
			t.Errorf("window %d, before 20,000 were held %d", w, before)
		}
		r.Submit(to("well", 50))
		for range 50 {
			if res := <-r.results; res.Invocation.Target.Type != "f/well" {
				t.Errorf("%s", res.Invocation.Target)
			}
		}
		if !r.Stats().Resting {
			t.Error("no trouble is told")
		}
		for range 20_010 {
			<-r.results
		}
		synctest.Wait()
		if w, most := r.window(), 1<<16+5000; w > most || r.Stats().Resting { // the groups have become large
			t.Errorf("window %d, want at most %d", w, most)
		}
	})
}

// Addresses without work are closed when there are many; their counters stay.
func TestRouterForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRouter(t, func(_ string, g *core.Group) core.GroupOutcome { return wellDone(g) })
		defer r.Close()
		const n = 3000
		for i := range n {
			r.Submit(to("f"+strconv.Itoa(i), 1))
			<-r.results
			synctest.Wait()
		}
		if w := r.window(); w > 1024*400 {
			t.Errorf("window %d", w)
		}
		r.Submit(to("f0", 1))
		<-r.results
		synctest.Wait()
		if st := r.Stats(); st.Groups.Items != n+1 || r.opened != n+1 {
			t.Errorf("%+v after %d were opened", st.Groups, r.opened)
		}
	})
}

// Many goroutines may submit at the same time; an address is opened once.
func TestRouterConcurrently(t *testing.T) {
	r := startRouter(t, func(_ string, g *core.Group) core.GroupOutcome { return wellDone(g) })
	var tasks sync.WaitGroup
	for range 8 {
		tasks.Go(func() {
			for i := range 50 {
				r.Submit(to("f"+strconv.Itoa(i%5), 3))
				r.Stats()
			}
		})
	}
	tasks.Wait()
	for range 8 * 50 * 3 {
		<-r.results
	}
	r.Close()
	if r.opened != 5 {
		t.Errorf("%d opened", r.opened)
	}
}

// What an address says of itself counts from its opening until it is closed, and not if it could not be opened.
func TestRouterWindowIsThatOfItsMembers(t *testing.T) {
	told := 0
	windows := map[string]func(int){}
	r := endpoint.NewRouter(endpoint.RouterConfig{
		Deliver: func([]core.Result) {},
		Route:   func(f core.FunctionType) (string, error) { return f.Name(), nil },
		Window:  func(n int) { told = n },
		Open: func(address string, deliver func([]core.Result), window func(int)) (*endpoint.Groups, error) {
			windows[address] = window
			window(1000)
			if address == "broken" {
				return nil, errors.New("no such file")
			}
			cfg := endpoint.Config{Now: now, Deliver: deliver, Window: func(int) {}}
			return endpoint.NewGroups(cfg, func(done func([]endpoint.GroupResult)) (endpoint.GroupTransport, error) {
				return &groupServer{serve: wellDone, done: done}, nil
			})
		},
	})
	defer r.Close()
	step := func(what string, want int, do func()) {
		t.Helper()
		if do(); told != want {
			t.Errorf("%s: the window is %d, want %d", what, told, want)
		}
	}
	step("one", 1000, func() { r.Submit(to("a", 1)) })
	step("two", 2000, func() { r.Submit(to("b", 1)) })
	step("one that cannot be opened", 2000, func() { r.Submit(to("broken", 1)) })
	step("what that says later", 2000, func() { windows["broken"](500) })
	step("a larger one", 4000, func() { windows["a"](3000) })
	step("a smaller one", 64, func() { windows["a"](10); windows["b"](10) })
}

// The window of one address among many changes: that is looked at, and not all the others.
func BenchmarkRouterWindow(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			var change func(int)
			r := endpoint.NewRouter(endpoint.RouterConfig{
				Deliver: func([]core.Result) {}, Window: func(int) {},
				Route: func(f core.FunctionType) (string, error) { return f.Name(), nil },
				Open: func(_ string, deliver func([]core.Result), window func(int)) (*endpoint.Groups, error) {
					change = window
					return endpoint.NewGroups(endpoint.Config{Now: now, Deliver: deliver, Window: window},
						func(done func([]endpoint.GroupResult)) (endpoint.GroupTransport, error) {
							return &groupServer{serve: wellDone, done: done}, nil
						})
				},
			})
			defer r.Close()
			for i := range n {
				r.Submit(to("f"+strconv.Itoa(i), 1))
			}
			for i := 0; b.Loop(); i++ {
				change(64 + i%2)
			}
		})
	}
}
