package endpoint_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stateway/stateway/faas/endpoint"
	"github.com/stateway/stateway/runtime/core"
)

// closedServer notes when it is closed.
type closedServer struct {
	heldServer
	closed atomic.Bool
}

func (s *closedServer) Close() {
	s.closed.Store(true)
	s.heldServer.Close()
}

// Close waits for whoever is at the dispatcher: a transport is sent nothing once it is closed.
func TestNothingIsSentAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &closedServer{heldServer: heldServer{groupServer: groupServer{serve: wellDone}, hold: make(chan struct{})}}
		e, err := endpoint.NewGroups(endpoint.Config{Now: now, Window: func(int) {}, Deliver: func([]core.Result) { t.Error("a result after Close") }},
			func(done func([]endpoint.GroupResult)) (endpoint.GroupTransport, error) {
				s.done = done
				return s, nil
			})
		if err != nil {
			t.Fatal(err)
		}
		var tasks sync.WaitGroup
		defer tasks.Wait()
		tasks.Go(func() { e.Submit(someInvocations(1)) })
		synctest.Wait()
		tasks.Go(e.Close)
		synctest.Wait()
		if s.closed.Load() {
			t.Error("the transport is closed while it is sent something")
		}
		close(s.hold)
		synctest.Wait()
		if !s.closed.Load() {
			t.Error("the transport is not closed")
		}
	})
}
