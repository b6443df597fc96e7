package endpoint_test

import (
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/stateway/stateway/faas/endpoint"
	"github.com/stateway/stateway/runtime/core"
)

// heldServer answers from a goroutine of its own and may be held within Send.
type heldServer struct {
	groupServer
	hold chan struct{} // nil for never
}

func (s *heldServer) Send(groups []*core.Group) {
	if s.hold != nil {
		<-s.hold
	}
	s.groupServer.Send(groups)
}

// An address whose dispatcher has not come to what was submitted last has work, and is not closed.
func TestRouterKeepsWhatWasSubmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		results := make(chan core.Result, 10_000)
		held := &heldServer{groupServer: groupServer{serve: wellDone}}
		first, delivered, proceed := true, make(chan struct{}), make(chan struct{})
		r := endpoint.NewRouter(endpoint.RouterConfig{
			Window: func(int) {},
			Route:  func(f core.FunctionType) (string, error) { return f.Name(), nil },
			Deliver: func(rs []core.Result) {
				if rs[0].Invocation.Target.Type == "f/held" && first {
					first = false
					close(delivered)
					<-proceed
				}
				for _, res := range rs {
					results <- res
				}
			},
			Open: func(address string, deliver func([]core.Result), window func(int)) (*endpoint.Groups, error) {
				s := held
				if address != "held" {
					s = &heldServer{groupServer: groupServer{serve: wellDone}}
				}
				cfg := endpoint.Config{Now: now, Deliver: deliver, Window: window}
				return endpoint.NewGroups(cfg, func(done func([]endpoint.GroupResult)) (endpoint.GroupTransport, error) {
					s.done = done
					return s, nil
				})
			},
		})
		r.Submit(to("held", 1))
		<-delivered
		r.Submit(to("held", 1)) // while the goroutine that delivers the first one's result is at it
		held.hold = make(chan struct{})
		close(proceed) // it begins with the second one, and is held
		<-results
		synctest.Wait()
		const others = 1100 // so many that addresses without work are closed
		for i := range others {
			r.Submit(to("f"+strconv.Itoa(i), 1))
			<-results
			synctest.Wait()
		}
		close(held.hold)
		if res := <-results; res.Invocation.Target.Type != "f/held" {
			t.Errorf("%+v", res)
		}
		r.Close()
	})
}
