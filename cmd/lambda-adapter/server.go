package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"time"
)

// Times of a server's life.
const (
	probeEvery  = 5 * time.Millisecond    // while it starts
	endPatience = 1500 * time.Millisecond // after SIGTERM; Lambda gives two seconds in all
	pauseFirst  = 50 * time.Millisecond   // before it is started anew, doubled up to pauseMost when it ends soon
	pauseMost   = 2 * time.Second
	soon        = 10 * time.Second
)

// server is the user's function server: a child process, or one that something else started.
type server struct {
	cfg    config
	log    *slog.Logger
	client *http.Client

	mu    sync.Mutex
	ready chan struct{} // closed while the server takes requests; guarded by mu
}

func newServer(cfg config, log *slog.Logger) *server {
	transport := &http.Transport{MaxIdleConns: cfg.parallel, MaxIdleConnsPerHost: cfg.parallel, DisableCompression: true}
	if cfg.socket != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", cfg.socket)
		}
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &server{cfg: cfg, log: log, client: client, ready: make(chan struct{})}
}

// supervise runs the server until ctx ends, starting it anew whenever it has ended.
func (s *server) supervise(ctx context.Context) {
	if s.cfg.command == "" {
		s.watch(ctx)
		return
	}
	pause := pauseFirst
	for ctx.Err() == nil {
		start := time.Now()
		err := s.once(ctx)
		s.setDown()
		if ctx.Err() != nil {
			return
		}
		if time.Since(start) > soon {
			pause = pauseFirst
		}
		s.log.Error("the function server ended; it is started anew", "error", err, "pause", pause)
		sleep(ctx, pause)
		pause = min(2*pause, pauseMost)
	}
}

// once runs the server until it ends by itself, or, when ctx ends, by SIGTERM. Its output goes where the adapter's goes.
func (s *server) once(ctx context.Context) error {
	cmd := exec.Command("/bin/sh", "-c", s.cfg.command) //nolint:gosec // to run the user's command is its purpose
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	ownGroup(cmd)
	life, err := startWithLife(cmd)
	if err != nil {
		return fmt.Errorf("start %q: %w", s.cfg.command, err)
	}
	defer func() { _ = life.Close() }()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err = cmd.Wait()
	}()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go s.watch(watching)
	select {
	case <-ended:
		kill(cmd) // what it has started may hold its port
		if err == nil {
			return fmt.Errorf("%q ended without an error", s.cfg.command)
		}
		return fmt.Errorf("%q: %w", s.cfg.command, err)
	case <-ctx.Done():
	}
	terminate(cmd)
	_ = life.SetReadDeadline(time.Now().Add(endPatience))
	_, _ = io.Copy(io.Discard, life)
	kill(cmd)
	<-ended
	return ctx.Err()
}

// startWithLife starts a command and returns a file that ends with the last of its processes: a shell may end at SIGTERM at once, and leave
// the server alone with its last calls.
func startWithLife(cmd *exec.Cmd) (*os.File, error) {
	life, held, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = held.Close() }()
	cmd.ExtraFiles = []*os.File{held} // nobody writes to it
	if err := cmd.Start(); err != nil {
		_ = life.Close()
		return nil, err
	}
	return life, nil
}

// watch waits until the server takes requests, and says so.
func (s *server) watch(ctx context.Context) {
	for ctx.Err() == nil {
		if s.probe(ctx) {
			s.setReady(ctx)
			return
		}
		sleep(ctx, probeEvery)
	}
}

func (s *server) probe(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cfg.url, nil)
	if err != nil {
		return false
	}
	if s.cfg.readyPath == "" {
		return s.dial(ctx, req.URL.Hostname(), req.URL.Port())
	}
	req.URL.Path = s.cfg.readyPath
	resp, err := s.client.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode < 500
}

func (s *server) dial(ctx context.Context, host, port string) bool {
	network, address := "tcp", net.JoinHostPort(host, cmp.Or(port, "80"))
	if s.cfg.socket != "" {
		network, address = "unix", s.cfg.socket
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// setReady tells that the server is there, unless ctx, its life, has ended meanwhile.
func (s *server) setReady(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.ready:
	default:
		if ctx.Err() == nil {
			close(s.ready)
		}
	}
}

// setDown tells that the server is gone.
func (s *server) setDown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.ready:
		s.ready = make(chan struct{})
	default:
	}
	s.client.CloseIdleConnections()
}

// waitReady waits until the server takes requests, at most for timeout; zero means until ctx ends.
func (s *server) waitReady(ctx context.Context, timeout time.Duration) error {
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	select {
	case <-ready:
		return nil
	default:
	}
	limited := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	select {
	case <-ready:
		return nil
	case <-limited.Done():
		return fmt.Errorf("the function server is not ready at %s%s: %w", s.cfg.url, s.cfg.socket, limited.Err())
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
