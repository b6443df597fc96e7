// Command init is the first process in a network namespace of its own (see package netns).
//
//	init probe                              ends with 0 if such a namespace can be had here; runs in any
//	init check                              ends with 0 if it can run here, in a new namespace
//	init run PORT USERPORT PROGRAM ARGS…    runs a program that serves at PORT and calls USERPORT, both on loopback
//
// It inherits two files: 3, a socket of outside that is bound to an address, and listens as soon as the program does, so that connections
// are refused until then as the program itself would refuse them: they go to PORT; 4, a Unix socket over which it sends the listener
// of USERPORT. SIGTERM is passed on to the program; the exit code is the program's. Its own end ends the program and all that it started.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
	"unsafe"

	"github.com/stateway/stateway/test/harness/netns"
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "init of a network namespace:", err)
	}
	os.Exit(code)
}

func run(args []string) (code int, err error) {
	if len(args) == 1 && args[0] == "probe" {
		return probe()
	}
	if err := raiseLoopback(); err != nil {
		return 1, err
	}
	if len(args) == 1 && args[0] == "check" {
		return 0, nil
	}
	if len(args) < 4 || args[0] != "run" {
		return 1, fmt.Errorf("arguments %q, want probe, check, or run PORT USERPORT PROGRAM ARGS…", args)
	}
	if err := handOut("127.0.0.1:" + args[2]); err != nil {
		return 1, fmt.Errorf("hand out the listener of port %s: %w", args[2], err)
	}
	go carryIn("127.0.0.1:" + args[1]) // ends with the process
	return supervise(args[3], args[4:])
}

// probe runs check in every way.
func probe() (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	err = errors.New("no way is known")
	for _, way := range netns.Ways() {
		cmd := exec.Command(self, "check")
		cmd.SysProcAttr = way
		out, problem := cmd.CombinedOutput()
		if problem == nil {
			return 0, nil
		}
		err = fmt.Errorf("%w: %s", problem, out)
	}
	return 1, err
}

// handOut sends a listener of this namespace over file 4.
func handOut(address string) error {
	inside, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer inside.Close()
	f := os.NewFile(4, "socket")
	defer func() { _ = f.Close() }()
	conn, err := net.FileConn(f)
	if err != nil {
		return err
	}
	defer conn.Close()
	return netns.SendListener(conn.(*net.UnixConn), inside.(*net.TCPListener))
}

// carryIn carries connections of outside to an address, once somebody listens there.
func carryIn(address string) {
	for dialer := (net.Dialer{}); ; time.Sleep(5 * time.Millisecond) {
		if conn, err := dialer.DialContext(context.Background(), "tcp", address); err == nil {
			_ = conn.Close()
			break
		}
	}
	err := syscall.Listen(3, syscall.SOMAXCONN)
	if err == nil {
		err = relay(address)
	}
	fmt.Fprintln(os.Stderr, "init of a network namespace: file 3:", err)
}

func relay(address string) error {
	f := os.NewFile(3, "listener")
	defer func() { _ = f.Close() }()
	outside, err := net.FileListener(f)
	if err != nil {
		return err
	}
	return netns.Relay(outside, address)
}

// supervise runs the program to its end.
func supervise(program string, args []string) (int, error) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM)
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s) // it fails only if the program has ended
		}
	}()
	err := cmd.Wait()
	if exit := new(exec.ExitError); errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// raiseLoopback brings the interface lo up: a new namespace has it down.
func raiseLoopback() error {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer func() { _ = syscall.Close(socket) }()
	request := struct { // struct ifreq
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_UP | syscall.IFF_RUNNING}
	copy(request.name[:], "lo")
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(socket), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		return fmt.Errorf("bring loopback up: %w", errno)
	}
	return nil
}
