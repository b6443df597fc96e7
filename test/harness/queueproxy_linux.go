package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/stateway/stateway/test/harness/netns"
)

// The ports of a queue-proxy and of the server behind it in a namespace of their own.
const proxyPort, userPort = 8012, 8080

// initOfNamespace is the program that is the first in a namespace.
const initOfNamespace = "./test/harness/netns/init"

// namespace is the way in which a process gets a network namespace of its own here; the error is errNoNamespace if there is none.
var namespace = sync.OnceValues(func() (*syscall.SysProcAttr, error) {
	first, err := Build(initOfNamespace)
	if err != nil {
		return nil, err
	}
	problem := errNoNamespace
	for _, way := range netns.Ways() {
		cmd := exec.Command(first, "check")
		cmd.SysProcAttr = way
		out, err := cmd.CombinedOutput()
		if err == nil {
			return way, nil
		}
		problem = fmt.Errorf("%w: %w: %s", problem, err, out)
	}
	return nil, problem
})

// startInNamespace starts the program in a network namespace of its own. Connections to c.Port go to it, and its own to c.UserPort.
func (c QueueProxyConfig) startInNamespace(program string) (*Process, error) {
	way, err := namespace()
	if err != nil {
		return nil, err
	}
	first, err := Build(initOfNamespace)
	if err != nil {
		return nil, err
	}
	outside, err := c.bindPatiently()
	if err != nil {
		return nil, err
	}
	defer func() { _ = outside.Close() }() // the process has its own: with its end the port is free
	ours, theirs, err := netns.Pair()
	if err != nil {
		return nil, err
	}
	defer func() { _ = ours.Close() }()
	p, err := Start(Spec{
		Name: "queue-proxy", Path: first, Args: []string{"run", strconv.Itoa(proxyPort), strconv.Itoa(userPort), program},
		Env: c.env(proxyPort, userPort), attributes: way, files: []*os.File{outside, theirs},
	})
	_ = theirs.Close()
	if err != nil {
		return nil, err
	}
	inside, err := netns.ReceiveListener(ours)
	if err != nil {
		p.Kill()
		return nil, fmt.Errorf("get the listener of a namespace: %w", errors.Join(err, p.Err()))
	}
	go func() { _ = netns.Relay(inside, Loopback(c.UserPort)) }()
	go func() {
		<-p.Ended()
		_ = inside.Close() // which ends the relay
	}()
	return p, nil
}

// bindPatiently is bind. A process that is being started may hold the socket of the last proxy at that port for a moment.
func (c QueueProxyConfig) bindPatiently() (f *os.File, err error) {
	for range 100 {
		if f, err = c.bind(); !errors.Is(err, syscall.EADDRINUSE) {
			return f, err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return f, err
}

// bind returns a socket that is bound to c.Port and does not listen yet, as a file that can be inherited.
func (c QueueProxyConfig) bind() (*os.File, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "socket") //nolint:gosec // a file's number is not negative
	err = errors.Join(
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.Bind(fd, &syscall.SockaddrInet4{Port: c.Port, Addr: [4]byte{127, 0, 0, 1}}),
	)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("bind %s: %w", Loopback(c.Port), err)
	}
	return f, nil
}
