package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/stateway/stateway/internal/version"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/node"
)

// Node is what the server needs of a node; *node.Node is one. All methods may be called at any time, concurrently.
type Node interface {
	// Waiting tells what the node waits for before it serves; empty if it serves.
	Waiting() string
	// Nonce names the reign of this process; empty while it does not lead.
	Nonce() string
	Generation() core.Generation
	Addresses(ctx context.Context, limit int) ([]core.AddressInfo, error)
	Address(ctx context.Context, a core.Address) (core.AddressInfo, error)
	Resume(ctx context.Context, a core.Address) error
	Drop(ctx context.Context, a core.Address) error
	State(a core.Address) ([]core.StoredState, core.CheckpointID, error)
	// Ingresses tells how partitions are read.
	Ingresses() ([]node.IngressStatus, error)
	// DeadLetters reads the kept ones behind after page by page, DeadLetter one of them; Redrive puts some back.
	DeadLetters(ctx context.Context, after node.DeadLetterID, limit int) (letters []node.DeadLetter, next node.DeadLetterID, more bool, err error)
	DeadLetter(id node.DeadLetterID) (letter node.DeadLetter, found bool, err error)
	Redrive(ctx context.Context, ids []node.DeadLetterID) ([]error, error)
}

// Config is what a Server shows.
type Config struct {
	// Node is asked for everything. Required.
	Node Node
	// Application is the name that the status tells.
	Application string
	// Metrics are what /metrics gathers. Nil means that there is no /metrics.
	Metrics prometheus.Gatherer
	// Pprof adds /debug/pprof, which tells much of what the process does and can slow it down.
	Pprof bool
	// Log gets errors of the server itself. Nil means slog.Default.
	Log *slog.Logger
}

const (
	requestTimeout = 30 * time.Second // of a question to the node
	maxBody        = 64 << 10         // bytes of a request's body
	maxHeader      = 64 << 10
	writeTimeout   = 5 * time.Minute // values may be large and the reader slow
	goodbye        = 2 * time.Second // for requests that are under way when the node has ended
)

// Handler serves the paths that docs/operations.md lists.
func Handler(c Config) http.Handler {
	a := &api{Config: c}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", plain(a.healthz))
	mux.HandleFunc("/readyz", plain(a.readyz))
	if c.Metrics != nil {
		mux.Handle("/metrics", plain(promhttp.HandlerFor(c.Metrics, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}).ServeHTTP))
	}
	if c.Pprof {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	a.routes(mux)
	return localOnly(http.NewCrossOriginProtection().Handler(mux))
}

// Serve answers requests on l until ctx ends, then lets those under way finish for two seconds. It closes l.
func Serve(ctx context.Context, l net.Listener, c Config) error {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	s := &http.Server{
		Handler: Handler(c), MaxHeaderBytes: maxHeader, ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout: 30 * time.Second, WriteTimeout: writeTimeout, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("admin server on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	if err := s.Shutdown(last); err != nil {
		_ = s.Close() // what is still open is cut off: the node has ended
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("admin server on %s: %w", l.Addr(), err)
	}
	return nil
}

// plain lets GET and HEAD through.
func plain(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "use GET", http.StatusMethodNotAllowed)
			return
		}
		h(w, r)
	}
}

// localOnly refuses what reaches a loopback address under a foreign host name: a web page whose name was made to point at this machine.
func localOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
		if ok && at.IP.IsLoopback() && !localName(r.Host) {
			http.Error(w, "ask for this server as localhost or by its address", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// localName reports whether host, with or without a port, is an IP address or localhost.
func localName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return host == "" || strings.EqualFold(host, "localhost") || net.ParseIP(host) != nil
}

// healthz answers as long as the process runs. The header tells other processes that the leader lives.
func (a *api) healthz(w http.ResponseWriter, _ *http.Request) {
	if nonce := a.Node.Nonce(); nonce != "" {
		w.Header().Set(node.NonceHeader, nonce)
	}
	fmt.Fprintln(w, "ok")
}

func (a *api) readyz(w http.ResponseWriter, _ *http.Request) {
	if waiting := a.Node.Waiting(); waiting != "" {
		http.Error(w, "waits for: "+waiting, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
	if all, err := a.Node.Ingresses(); err == nil {
		fmt.Fprint(w, lagLines(all))
	}
}

func (a *api) status(*http.Request) (any, error) {
	waiting := a.Node.Waiting()
	return Status{
		Application: a.Application, Generation: a.Node.Generation(),
		Ready: waiting == "", Waiting: waiting, Build: version.Get(),
	}, nil
}
