package http

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stateway/stateway/faas/endpoint"
	"github.com/stateway/stateway/runtime/core"
)

// benchServer starts the minimal function server in a process of its own, so that its CPU is not counted.
func benchServer(b *testing.B) string {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverEnv+"=127.0.0.1:0")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { stdin.Close(); cmd.Wait() })
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return "http://" + strings.TrimSpace(addr) + "/fn"
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func report(b *testing.B, before time.Duration) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/request")
	b.ReportMetric(0, "ns/op")
}

// benchClient keeps a number of requests in flight: each result sends the next.
func benchClient(b *testing.B, cfg Config, inFlight int) {
	left, open := b.N, min(inFlight, b.N)
	finished := make(chan struct{})
	var c *Client
	next := make([]*core.Invocation, 0, inFlight)
	var mu sync.Mutex // for the first sends
	c, err := New(cfg, func(rs []core.Result) {
		mu.Lock()
		defer mu.Unlock()
		next = next[:0]
		for i := range rs {
			if rs[i].Outcome.Class != core.OutcomeOK {
				b.Error(rs[i].Outcome.Reason)
			}
			if left > 0 {
				left--
				next = append(next, rs[i].Invocation)
				continue
			}
			if open--; open == 0 {
				close(finished)
			}
		}
		c.Send(next)
	})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	mu.Lock()
	for range open {
		left--
		c.Send([]*core.Invocation{invocation("Kim")})
	}
	mu.Unlock()
	<-finished
	b.StopTimer()
	report(b, before)
}

func BenchmarkLean64(b *testing.B)  { benchClient(b, Config{URL: benchServer(b)}, 64) }
func BenchmarkLean128(b *testing.B) { benchClient(b, Config{URL: benchServer(b)}, 128) }
func BenchmarkLean1(b *testing.B)   { benchClient(b, Config{URL: benchServer(b)}, 1) }

// BenchmarkBehindDispatcher is the way of a node: dispatcher, connections, and a receiver that submits anew.
func BenchmarkBehindDispatcher(b *testing.B) {
	left, open := b.N, min(256, b.N)
	finished := make(chan struct{})
	next := make([]*core.Invocation, 0, 256)
	var e *endpoint.Endpoint
	url := benchServer(b)
	e, err := endpoint.New(endpoint.Config{
		Now:    func() core.Millis { return core.Millis(time.Now().UnixMilli()) },
		Window: func(int) {},
		Deliver: func(rs []core.Result) {
			next = next[:0]
			for i := range rs {
				if left > 0 {
					left--
					next = append(next, rs[i].Invocation)
				} else if open--; open == 0 {
					close(finished)
				}
			}
			e.Submit(next)
		},
	}, func(done func([]core.Result)) (endpoint.Transport, error) { return New(Config{URL: url}, done) })
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	var first []*core.Invocation
	for range open {
		left--
		first = append(first, invocation("Kim"))
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	e.Submit(first)
	<-finished
	b.StopTimer()
	report(b, before)
	b.ReportMetric(float64(e.Stats().Limit), "limit")
}
