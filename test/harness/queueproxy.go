package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// QueueProxyConfig says how to run a queue-proxy.
type QueueProxyConfig struct {
	UserPort    int           // loopback port of the function server, which may start later
	Port        int           // loopback port to serve at; zero means a free one
	Concurrency int           // requests at a time (containerConcurrency): ten times as many wait, more get 503; zero means no limit
	Timeout     time.Duration // after which a request gets 504, in whole seconds; zero means five minutes
}

// QueueProxy is Knative's queue-proxy, which stands before each instance of a service. Stop takes the 30 s for which it drains.
type QueueProxy struct {
	*Process
	URL string // of the service, without slash at the end
}

// MustStartQueueProxy starts a queue-proxy as StartQueueProxy does; it is killed when the test ends. Where none can run the test is
// skipped. `make test` names that in its closing lines, too.
func MustStartQueueProxy(tb testing.TB, c QueueProxyConfig) *QueueProxy {
	tb.Helper()
	q, err := StartQueueProxy(tb.Context(), c)
	if err != nil {
		skipOrFail(tb, err)
	}
	tb.Cleanup(func() { finish(tb, q.Process) })
	return q
}

// StartQueueProxy starts a queue-proxy and waits until it answers. The program is built once, pinned by tools/queue-proxy/go.mod, into
// the folder of tools; that takes about a minute. Three of its ports are fixed: it runs in a network namespace of its own, and any
// number beside each other. Where there can be none it runs in this one if the ports are free, and waits up to a minute for another
// one to end. Else the error is a *MissingToolError. The caller kills it.
func StartQueueProxy(ctx context.Context, c QueueProxyConfig) (*QueueProxy, error) {
	program, err := queueProxy.build(ctx)
	if err != nil {
		return nil, err
	}
	if c.Port == 0 {
		if c.Port, err = FreePort(); err != nil {
			return nil, err
		}
	}
	q := &QueueProxy{URL: "http://" + Loopback(c.Port)}
	q.Process, err = c.startInNamespace(program)
	if errors.Is(err, errNoNamespace) {
		q.Process, err = c.startAlone(ctx, program)
	}
	if err != nil {
		return nil, err
	}
	if err := q.wait(ctx); err != nil {
		q.Kill()
		return nil, err
	}
	return q, nil
}

// Namespaces tells whether queue-proxies can run beside each other here, each in a network namespace of its own: the error is nil, or a
// *MissingToolError.
func Namespaces() error {
	_, err := namespace()
	if errors.Is(err, errNoNamespace) {
		return &MissingToolError{What: "network namespaces (" + err.Error() + ")", Remedy: namespaceRemedy}
	}
	return err
}

var (
	queueProxy     = tool{name: "queue-proxy", module: "knative.dev/serving", pkg: "cmd/queue"}
	errNoNamespace = errors.New("not on this system")
)

// queueProxyPorts cannot be chosen: for the autoscaler, for users' metrics, and for the administration.
var queueProxyPorts = []int{8022, 9090, 9091}

// env is the environment of a queue-proxy that serves at one port and calls another one. All variables must be there.
func (c QueueProxyConfig) env(port, userPort int) []string {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = 5 * time.Minute
	}
	return []string{
		"CONTAINER_CONCURRENCY=" + strconv.Itoa(c.Concurrency), "REVISION_TIMEOUT_SECONDS=" + strconv.Itoa(int(timeout/time.Second)),
		"QUEUE_SERVING_PORT=" + strconv.Itoa(port), "QUEUE_SERVING_TLS_PORT=0", "USER_PORT=" + strconv.Itoa(userPort),
		"SERVING_NAMESPACE=test", "SERVING_SERVICE=functions", "SERVING_CONFIGURATION=functions", "SERVING_REVISION=functions-00001",
		"SERVING_POD=functions-00001-pod", "SERVING_POD_IP=127.0.0.1", "SYSTEM_NAMESPACE=knative-serving",
		"SERVING_LOGGING_CONFIG=", "SERVING_LOGGING_LEVEL=", "SERVING_REQUEST_METRICS_BACKEND=prometheus",
		"METRICS_DOMAIN=knative.dev/internal/serving", "TRACING_CONFIG_BACKEND=none", "SERVING_READINESS_PROBE=",
	}
}

// startAlone starts the program in our namespace, when no other one of it runs there.
func (c QueueProxyConfig) startAlone(ctx context.Context, program string) (*Process, error) {
	lock, err := waitForLock(ctx, filepath.Join(os.TempDir(), "stateway-queue-proxy.lock"), time.Minute)
	if err != nil {
		return nil, &MissingToolError{What: "network namespace for a second queue-proxy (" + err.Error() + ")", Remedy: namespaceRemedy}
	}
	for _, port := range queueProxyPorts {
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		if err != nil {
			_ = lock.Close()
			return nil, &MissingToolError{What: fmt.Sprintf("network namespace, and port %d is taken (%v)", port, err), Remedy: namespaceRemedy}
		}
		_ = l.Close()
	}
	p, err := Start(Spec{Name: "queue-proxy", Path: program, Env: c.env(c.Port, c.UserPort)})
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	go func() {
		<-p.Ended()
		_ = lock.Close() // which frees it
	}()
	return p, nil
}

const namespaceRemedy = "allow user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns=0) or run as root, on Linux"

// waitForLock takes the lock of a file, which closing it frees.
func waitForLock(ctx context.Context, path string, limit time.Duration) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// wait waits until the proxy answers a probe as Knative's own parts send it.
func (q *QueueProxy) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		err := q.probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-q.Ended():
			return fmt.Errorf("queue-proxy ended before it answered: %w", q.Err())
		case <-ctx.Done():
			return fmt.Errorf("queue-proxy does not answer: %w\n%s", err, q.Output())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (q *QueueProxy) probe(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, q.URL, nil)
	if err != nil {
		return err
	}
	req.Header.Set("K-Network-Probe", "queue")
	req.Header.Set("User-Agent", "kube-probe/1") // else it goes to the function server
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("probe: status %s", resp.Status)
	}
	return nil
}
