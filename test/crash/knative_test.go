package crash

import (
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/test/harness"
)

const knativeEndpoint = `kind: io.stateway.endpoints.v1/knative
spec:
  functions: crash/*
  urlPathTemplate: http://%[1]s/
  transport: {call: 5min, connect: 1s}
  retry: {initial: 5ms, max: 200ms}
  group: {maxItems: 8}
---
`

// TestKillOnKnative has the functions behind Knative's queue-proxy, which lets four requests through at a time, queues and refuses others,
// and gives up on those that take longer than a second while the functions do not. Both are killed, too, each for itself.
func TestKillOnKnative(t *testing.T) {
	config := harness.QueueProxyConfig{Port: harness.MustPort(t), Concurrency: 4, Timeout: time.Second}
	w := newWorldOf(t, strings.ReplaceAll(knativeEndpoint, "%[1]s", harness.Loopback(config.Port)), "KNATIVE=true")
	config.UserPort = w.functionsPort
	q := harness.MustStartQueueProxy(t, config)
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		w.killProxy(q, config, harness.KillTime()/2)
	}()
	defer func() { <-killed }()
	w.run(harness.KillTime()/2, func(int) {})
}

// killProxy kills the queue-proxy until the time is over, and starts it again after a pause. The last one runs to the end of the test.
func (w *world) killProxy(q *harness.QueueProxy, config harness.QueueProxyConfig, lasts time.Duration) {
	for k := harness.NewKiller(w.seed+2, lasts); k.Pause(2 * time.Second); {
		q.Kill()
		time.Sleep(time.Duration(k.Rand.Int64N(300)) * time.Millisecond)
		var err error
		if q, err = harness.StartQueueProxy(w.t.Context(), config); err != nil {
			w.t.Error(err)
			return
		}
		w.t.Cleanup(q.Kill)
	}
}
