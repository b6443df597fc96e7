// Command fnserver is the function server of the bench: a minimal HTTP/1.1 loop over a bare connection with one function that
// counts its messages and emits, for each, one record that repeats the message's value.
//
// It is lean on purpose, so that the bench measures the runtime and not the function: no net/http, no generated code, no allocation a
// request. It serves what the bench sends (POST with Content-Length, keep-alive) and closes the connection on anything else.
// Any path and any function type are the same function.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8000", "host:port, or unix:/path for a Unix socket")
	procs := flag.Int("procs", 0, "GOMAXPROCS; 0 leaves Go's default")
	flag.Parse()
	if *procs > 0 {
		runtime.GOMAXPROCS(*procs)
	}
	if err := run(*listen); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(address string) error {
	network := "tcp"
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Println("listening")
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-stop
		listener.Close() // also removes a Unix socket's file
	}()
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		go serve(conn)
	}
}
