package knative

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/test/harness"
)

const (
	driver stateway.FunctionType = "t/driver"
	worker stateway.FunctionType = "t/worker"
	echo   stateway.FunctionType = "t/echo"

	recordsEgress stateway.EgressID = "t/records"
)

// job is what a driver is asked for.
type job struct {
	Prefix    string
	Addresses int
	Messages  int
	Millis    int64 // that a worker takes for each message
}

func (j job) encode() []byte {
	text, err := json.Marshal(j)
	if err != nil {
		panic(err)
	}
	return text
}

func (j job) ids() []string {
	var ids []string
	for i := range j.Addresses {
		ids = append(ids, fmt.Sprintf("%s-%d", j.Prefix, i))
	}
	return ids
}

// step is the message N to an Address.
type step struct {
	N      int
	Millis int64
}

var (
	jobType  = stateway.JSON[job]("t/Job")
	stepType = stateway.JSON[step]("t/Step")
	seen     = stateway.Value[int64]("seen")
)

func record(f stateway.FunctionType, id string, n int) string {
	return fmt.Sprintf("%s %s %d", f, id, n)
}

// server is a server of the functions, on a loopback port of its own that is the same after each start.
type server struct {
	t    *testing.T
	port int
	app  http.Handler
	// plain makes it one of StateFun: it takes no groups and does not speak of them.
	plain bool
	// before, if set, is called for each request first.
	before func()
	// work, if set, is done for a worker's message instead of taking its time.
	work func(ctx context.Context, id string, s step)

	http *http.Server // owned by the test

	mu      sync.Mutex
	flying  int            // requests under way; guarded by mu, as all below
	most    int            // that were under way at once
	types   map[string]int // requests by content type
	version map[string]int // requests by protocol
}

func newServer(t *testing.T) *server {
	s := &server{t: t, port: harness.MustPort(t), types: map[string]int{}, version: map[string]int{}}
	app := stateway.New(stateway.WithParallel(16))
	app.Function(driver, s.drive)
	app.Function(worker, s.step(worker), seen)
	app.Function(echo, s.step(echo), seen)
	s.app = app
	t.Cleanup(s.stop)
	return s
}

// start lets it listen.
func (s *server) start() {
	s.t.Helper()
	var l net.Listener
	var err error
	harness.Eventually(s.t, 5*time.Second, func() bool { // a process that is being started holds what was closed for a moment
		l, err = (&net.ListenConfig{}).Listen(s.t.Context(), "tcp", harness.Loopback(s.port))
		return err == nil
	}, func() string { return err.Error() })
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute, Protocols: new(http.Protocols)}
	s.http.Protocols.SetHTTP1(true)
	s.http.Protocols.SetUnencryptedHTTP2(true)
	go func(h *http.Server) { _ = h.Serve(l) }(s.http) // ends with stop
}

// stop ends it as a process ends: connections break. Handlers run on.
func (s *server) stop() {
	if s.http != nil {
		_ = s.http.Close()
	}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.flying++
	s.most = max(s.most, s.flying)
	s.types[r.Header.Get("Content-Type")]++
	s.version[r.Proto]++
	s.mu.Unlock()
	if s.before != nil {
		s.before()
	}
	if s.plain {
		w = noGroups{w}
	}
	s.app.ServeHTTP(w, r)
	s.mu.Lock()
	s.flying--
	s.mu.Unlock()
}

// noGroups does not announce groups.
type noGroups struct{ http.ResponseWriter }

func (w noGroups) Write(b []byte) (int, error) {
	w.Header().Del(group.Header)
	return w.ResponseWriter.Write(b)
}

// asked returns how many requests came: plain ones, groups, and of both how many in HTTP/2, and how many there were at once.
func (s *server) asked() (plain, groups, http2, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, n := range s.types {
		if _, ok := group.OfContentType(name); ok {
			groups += n
		}
	}
	return s.types["application/octet-stream"], groups, s.version["HTTP/2.0"], s.most
}

// drive sends all messages of a job, those to one Address in order.
func (s *server) drive(ctx *stateway.Context, msg stateway.Message) error {
	j, err := jobType.Read(msg)
	if err != nil {
		return err
	}
	for _, id := range j.ids() {
		for n := 1; n <= j.Messages; n++ {
			ctx.Send(worker.At(id), stepType.Of(step{N: n, Millis: j.Millis}))
		}
	}
	return nil
}

// step takes the next message of an Address. A worker then has work to do, after which its effects are complete, and passes it on.
func (s *server) step(f stateway.FunctionType) stateway.Handler {
	return func(ctx *stateway.Context, msg stateway.Message) error {
		m, err := stepType.Read(msg)
		if err != nil {
			return err
		}
		last, err := seen.Get(ctx)
		if err != nil {
			return err
		}
		id := ctx.Self().ID
		text := record(f, id, m.N)
		if int(last)+1 != m.N {
			text += fmt.Sprintf(" after %d", last)
		}
		seen.Set(ctx, int64(m.N))
		ctx.Egress(recordsEgress, stateway.String.Of(text))
		if f == worker {
			ctx.Send(echo.At(id), stepType.Of(m))
			s.labour(ctx, id, m)
		}
		return nil
	}
}

// labour takes the time that a message takes, whether somebody still waits for it or not.
func (s *server) labour(ctx context.Context, id string, m step) {
	if s.work != nil {
		s.work(ctx, id, m)
		return
	}
	time.Sleep(time.Duration(m.Millis) * time.Millisecond)
}
