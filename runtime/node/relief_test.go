package node_test

import (
	"fmt"
	"testing"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
	source "github.com/stateway/stateway/runtime/ingress/memory"
)

// deadEndpoint serves dead/fn where nobody listens.
const deadEndpoint = `
kind: io.statefun.endpoints.v2/http
spec:
  functions: dead/*
  urlPathTemplate: http://127.0.0.1:1/
`

// An endpoint that is down holds nobody else up, though the same partition feeds both with more than memory has room for: what waits for it
// lies in the stores, and is there when it comes back.
func TestDeadEndpointStopsNobody(t *testing.T) {
	r := newRig(t, counters(), deadEndpoint)
	router := func(rec ingress.Record, out []*core.Message) ([]*core.Message, error) {
		if rec.Key == "count" {
			return ingress.Targets("test/count")(rec, out)
		}
		return ingress.Targets("dead/fn")(rec, out)
	}
	log := source.NewLog(source.Options{Router: router})
	log.AddPartition("p")
	r.reads("test/log", log)
	const rounds = 1500
	for i := range rounds {
		log.Append("p", ingress.Record{Key: fmt.Sprint("dead", i), Typename: "test/bytes", Value: make([]byte, 1000)}, record("count"))
	}
	r.config.Memory = 8 << 20
	x := r.start().ready()
	x.eventually("the partition is read to its end", func() bool { return x.number("test/count", "count", "count") == rounds })
	if got := x.metric("stateway_disk_backlog_bytes"); got < rounds*500 {
		t.Errorf("%v bytes wait in the stores only, want most of %d kB", got, rounds)
	}
}
