// Command fnserver-sdk is the same function as fnserver, written with the Go SDK and served by net/http: it counts its messages and emits, for
// each, one record that repeats the message's value. The bench shows both, so that the price of an ordinary function server is seen.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/stateway/stateway/bench/counter"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8000", "host:port, or unix:/path for a Unix socket")
	var function counter.Options
	function.Flags(flag.CommandLine)
	procs := flag.Int("procs", 0, "GOMAXPROCS; 0 leaves Go's default")
	flag.Parse()
	if *procs > 0 {
		runtime.GOMAXPROCS(*procs)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *listen, function.App())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address string, app http.Handler) error {
	network := "tcp"
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Println("listening")
	server := &http.Server{Handler: app, ReadHeaderTimeout: time.Minute}
	go func() {
		<-ctx.Done()
		_ = server.Close() // the program ends
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
