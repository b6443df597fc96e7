package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"google.golang.org/protobuf/proto"

	"github.com/stateway/stateway/protocol/reqreply"
)

// echoConnections is how many connections the bare client uses; more do not make it faster on 2 cores.
const echoConnections = 64

// measureEcho sends the function server what the runtime sends it, from plain socket loops: no state, no checkpoint. This is
// what HTTP costs on this machine.
func measureEcho(ctx context.Context, b *bench) (values, error) {
	functions, url, err := b.startFunctions(ctx, lean)
	if err != nil {
		return nil, err
	}
	defer functions.Kill()
	request, err := echoRequest()
	if err != nil {
		return nil, err
	}
	host := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/")
	e := echo{request: request, latency: hdrhistogram.New(1, int64(time.Minute), 3)}
	if err := e.run(ctx, host, time.Second); err != nil {
		return nil, fmt.Errorf("warm up: %w", err)
	}
	e.latency.Reset()
	e.requests.Store(0)
	self, server, err := bothUsages(os.Getpid(), functions.PID())
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := e.run(ctx, host, b.duration/2); err != nil {
		return nil, err
	}
	took := time.Since(start).Seconds()
	self2, server2, err := bothUsages(os.Getpid(), functions.PID())
	if err != nil {
		return nil, err
	}
	requests := float64(e.requests.Load())
	return values{
		messagesPerSecond: requests / took, requestsPerSecond: requests / took, messagesPerRequest: 1,
		clientMicros:   (self2.cpu - self.cpu).Seconds() * 1e6 / requests,
		functionMicros: (server2.cpu - server.cpu).Seconds() * 1e6 / requests,
		latencyP50:     float64(e.latency.ValueAtQuantile(50)) / 1e6, latencyP99: float64(e.latency.ValueAtQuantile(99)) / 1e6,
	}, nil
}

func bothUsages(a, b int) (usage, usage, error) {
	x, err := readUsage(a)
	y, err2 := readUsage(b)
	return x, y, errors.Join(err, err2)
}

// echoRequest is a whole HTTP request with one message and one state, as in the row http.
func echoRequest() ([]byte, error) {
	long := func(v uint64) *reqreply.TypedValue {
		value := binary.LittleEndian.AppendUint64([]byte{1<<3 | 1}, v)
		return &reqreply.TypedValue{Typename: "io.statefun.types/long", HasValue: true, Value: value}
	}
	body, err := proto.Marshal(&reqreply.ToFunction{Request: &reqreply.ToFunction_Invocation_{Invocation: &reqreply.ToFunction_InvocationBatchRequest{
		Target:      &reqreply.Address{Namespace: "bench", Type: "counter", Id: "user-12345"},
		State:       []*reqreply.ToFunction_PersistedValue{{StateName: "count", StateValue: long(41)}},
		Invocations: []*reqreply.ToFunction_Invocation{{Argument: long(1_700_000_000_000_000_000)}},
	}}})
	if err != nil {
		return nil, err
	}
	head := "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
	return append([]byte(head), body...), nil
}

// echo is one run of the bare client.
type echo struct {
	request  []byte
	requests atomic.Int64

	mu      sync.Mutex
	latency *hdrhistogram.Histogram // nanoseconds; guarded by mu
}

func (e *echo) run(ctx context.Context, host string, lasts time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, lasts)
	defer cancel()
	errs := make(chan error, echoConnections)
	for range echoConnections {
		go func() { errs <- e.loop(ctx, host) }()
	}
	var first error
	for range echoConnections {
		if err := <-errs; err != nil && first == nil {
			first = err
			cancel()
		}
	}
	return first
}

func (e *echo) loop(ctx context.Context, host string) error {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return err
	}
	defer conn.Close()
	own := hdrhistogram.New(1, int64(time.Minute), 3)
	r := bufio.NewReaderSize(conn, 4096)
	for ctx.Err() == nil {
		start := time.Now()
		if _, err := conn.Write(e.request); err != nil {
			return err
		}
		if err := skipAnswer(r); err != nil {
			return err
		}
		e.requests.Add(1)
		_ = own.RecordValue(int64(time.Since(start))) // a minute and more cannot be
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.latency.Merge(own)
	return nil
}

// skipAnswer reads one answer with status 200.
func skipAnswer(r *bufio.Reader) error {
	length, first := -1, true
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
			return fmt.Errorf("answer %q", line)
		}
		first = false
		if len(line) == 2 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("answer without Content-Length")
	}
	if _, err := r.Discard(length); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// measureMap counts in a map of 100,000 keys: what the state itself costs, without anything around it.
func measureMap(ctx context.Context, b *bench) (values, error) {
	const keys = 100_000
	ids, counts := make([]string, keys), make(map[string]int64, keys)
	for i := range ids {
		ids[i] = "user-" + strconv.Itoa(i)
	}
	n, start, lasts := 0, time.Now(), min(b.duration, 2*time.Second)
	for at := uint64(1); time.Since(start) < lasts; {
		for range 10_000 {
			at = at*6364136223846793005 + 1442695040888963407
			counts[ids[at>>33%keys]]++
		}
		n += 10_000
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return values{messagesPerSecond: float64(n) / time.Since(start).Seconds()}, nil
}
