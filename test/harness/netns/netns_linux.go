package netns

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// Ways are the ways to start a process in a network namespace of its own, the best first. Whether one works here shows when the
// process of the folder init runs "check" in it.
func Ways() []*syscall.SysProcAttr {
	own := func(id int) []syscall.SysProcIDMap { return []syscall.SysProcIDMap{{HostID: id, Size: 1}} }
	ways := []*syscall.SysProcAttr{{
		Setpgid: true, Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
		UidMappings: own(os.Getuid()), GidMappings: own(os.Getgid()),
	}}
	if os.Getuid() == 0 {
		ways = append(ways, &syscall.SysProcAttr{Setpgid: true, Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID})
	}
	return ways
}

// SendListener sends a listener over a Unix socket to another process, which may be in another namespace: the listener stays in its own.
func SendListener(over *net.UnixConn, l *net.TCPListener) error {
	f, err := l.File()
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, _, err = over.WriteMsgUnix([]byte{0}, syscall.UnixRights(int(f.Fd())), nil)
	return err
}

// ReceiveListener is the other end of SendListener. The error is io.EOF or the like if the sender ended first.
func ReceiveListener(over *net.UnixConn) (net.Listener, error) {
	rights := make([]byte, syscall.CmsgSpace(4))
	_, n, _, _, err := over.ReadMsgUnix(make([]byte, 1), rights)
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseSocketControlMessage(rights[:n])
	if err != nil {
		return nil, err
	}
	if len(messages) != 1 {
		return nil, errors.New("no listener came: the sender ended")
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	if len(fds) != 1 {
		return nil, fmt.Errorf("%d files came instead of one listener", len(fds))
	}
	f := os.NewFile(uintptr(fds[0]), "listener")
	defer func() { _ = f.Close() }()
	return net.FileListener(f)
}

// Pair is two connected Unix sockets: a connection for this process, and a file for another one to inherit.
func Pair() (*net.UnixConn, *os.File, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a pair of sockets: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "pair"), os.NewFile(uintptr(fds[1]), "pair")
	defer func() { _ = ours.Close() }()
	conn, err := net.FileConn(ours)
	if err != nil {
		_ = theirs.Close()
		return nil, nil, err
	}
	return conn.(*net.UnixConn), theirs, nil
}
