package http

import (
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/stateway/stateway/protocol/reqreply"
	"github.com/stateway/stateway/runtime/core"
)

// heap is what lives, in bytes.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what a pool keeps lives through one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // small
}

// Connections that wait for their next request keep neither the last one nor its answer, however large they were.
func TestIdleConnectionsKeepNothingLarge(t *testing.T) {
	const lanes, size = 8, 2 << 20
	var together sync.WaitGroup
	large := largeAnswer(size)
	s := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		together.Done()
		together.Wait()
		if r.Header.Get("Content-Type") == "text/x-letter" {
			w.Header().Set("Content-Type", "text/x-answer")
		} else {
			w.Header().Set("Content-Type", "application/octet-stream")
		}
		_, _ = w.Write(large)
	}))
	t.Cleanup(s.Close)
	c := newCaller(t, Config{URL: s.URL + "/fn", PayloadMaxBytes: 2 * size})
	before := heap()
	idle := func(after string) {
		t.Helper()
		if grown := heap() - before; grown > size {
			t.Errorf("%d connections that are idle after %s keep %d bytes", lanes, after, grown)
		}
	}
	together.Add(lanes)
	for i := range lanes {
		inv := invocation(string(rune('a' + i)))
		inv.States[0].Value = make([]byte, size)
		c.Send([]*core.Invocation{inv})
	}
	for range lanes {
		if o := c.wait().Outcome; o.Class != core.OutcomeOK || len(o.Response.Mutations) != 1 {
			t.Fatalf("got %+v", o)
		}
	}
	idle("invocations")
	together.Add(lanes)
	answers := make(chan *Answer)
	for range lanes {
		c.Post(&letter{body: make([]byte, size), answers: answers})
	}
	for range lanes {
		if a := <-answers; a.Status != 200 || len(a.Body) != len(large) {
			t.Fatalf("status %d, %d bytes, %s", a.Status, len(a.Body), a.Reason)
		}
	}
	idle("posts")
}

// largeAnswer is an answer with a value of so many bytes.
func largeAnswer(size int) []byte {
	b, err := proto.Marshal(&pb.FromFunction{Response: &pb.FromFunction_InvocationResult{InvocationResult: &pb.FromFunction_InvocationResponse{
		StateMutations: []*pb.FromFunction_PersistedValueMutation{{
			MutationType: 1, StateName: "count", StateValue: &pb.TypedValue{Typename: "example/blob", HasValue: true, Value: make([]byte, size)},
		}},
	}}})
	if err != nil {
		panic(err)
	}
	return b
}
