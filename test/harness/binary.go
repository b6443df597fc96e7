package harness

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Root returns the repository's top folder.
var Root = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/stateway/stateway").Output()
	if err != nil {
		return "", fmt.Errorf("find the module's folder with go list -m: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
})

// Tools returns the folder where `make` installs tools and SDKs: STATEWAY_TOOLS, else .tools at the top of the repository.
func Tools() (string, error) {
	if dir := os.Getenv("STATEWAY_TOOLS"); dir != "" {
		return filepath.Abs(dir)
	}
	root, err := Root()
	return filepath.Join(root, ".tools"), err
}

// Binary returns the path of the stateway binary: STATEWAY_BIN if that is set, else one built from cmd/cluster, once a process, into
// a temporary folder that Cleanup removes.
func Binary() (string, error) {
	if path := os.Getenv("STATEWAY_BIN"); path != "" {
		return filepath.Abs(path)
	}
	return Build("./cmd/cluster")
}

var builds struct {
	mu   sync.Mutex
	dir  string            // guarded by mu: the temporary folder, empty until needed
	done map[string]string // guarded by mu: binary by package
}

// Build builds a main package of this repository, named from its top folder ("./cmd/cluster"), once a process, and returns the
// binary's path. It lies in a temporary folder that Cleanup removes. Flags are those of go build; the first caller's count.
func Build(pkg string, flags ...string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	builds.mu.Lock()
	defer builds.mu.Unlock()
	if path, ok := builds.done[pkg]; ok {
		return path, nil
	}
	if builds.dir == "" {
		if builds.dir, err = os.MkdirTemp("", "stateway-build-"); err != nil {
			return "", fmt.Errorf("make a folder to build %s in: %w", pkg, err)
		}
		builds.done = map[string]string{}
	}
	path := filepath.Join(builds.dir, strings.NewReplacer(".", "", "/", "-").Replace(pkg))
	args := append([]string{"build", "-o", path}, flags...)
	cmd := exec.Command("go", append(args, pkg)...) //nolint:gosec // our own
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	builds.done[pkg] = path
	return path, nil
}

// Cleanup removes what Build built. Call it when no process of it runs any more, at the end of TestMain or main.
func Cleanup() {
	builds.mu.Lock()
	defer builds.mu.Unlock()
	if builds.dir == "" {
		return
	}
	_ = os.RemoveAll(builds.dir) // a leftover in the temporary folder hurts nobody
	builds.dir, builds.done = "", nil
}

// Processes take ports from blocks, which they have for themselves until they end.
const (
	firstPort  = 10000 // up to 31999 systems give no ports to connections
	portBlocks = 220
	blockSize  = 100
)

var block struct {
	mu        sync.Mutex
	next, end int            // ports not handed out yet; guarded by mu
	held      []net.Listener // on the first port of each block, so that no other process takes it; guarded by mu
}

// FreePort returns a loopback TCP port that nobody listens on, and that neither this process nor another one that runs has got from it.
// It is none of those that systems give to connections, so that it is still free when somebody listens at last, and again.
func FreePort() (int, error) {
	block.mu.Lock()
	defer block.mu.Unlock()
	for {
		if block.next == block.end {
			if err := takeBlock(); err != nil {
				return 0, err
			}
		}
		port := block.next
		block.next++
		if tryPort(port) == nil {
			return port, nil
		}
	}
}

// takeBlock takes another block of ports. The last one stays taken too. block.mu is held.
func takeBlock() error {
	start, last := rand.IntN(portBlocks), error(nil)
	for i := range portBlocks {
		first := firstPort + (start+i)%portBlocks*blockSize
		listener, err := net.Listen("tcp", Loopback(first))
		if err != nil {
			last = err
			continue
		}
		block.held = append(block.held, listener)
		block.next, block.end = first+1, first+blockSize
		return nil
	}
	return fmt.Errorf("find free ports: %w", last)
}

// tryPort binds a socket to a loopback port and closes it. No process is started meanwhile: it would hold the socket for a moment longer.
func tryPort(port int) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	return errors.Join(
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1), // as for listeners: it fails beside one only
		syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}),
		syscall.Close(fd),
	)
}

// Loopback returns the address of a loopback port.
func Loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// CommandOutput runs a program to its end and returns what it wrote on stdout. Its stderr is part of the error.
func CommandOutput(ctx context.Context, path string, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, path, args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out, fmt.Errorf("%s %s: %w\n%s", filepath.Base(path), strings.Join(args, " "), err, exit.Stderr)
	}
	return out, err
}
