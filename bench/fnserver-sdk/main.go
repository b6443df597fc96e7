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

	stateway "github.com/stateway/stateway/lambda-sdk"
)

var count = stateway.ValueOf("count", stateway.Int64)

// poison says that one message in so many fails, each time it is tried. 0 means none.
var poison uint64

func counter(ctx *stateway.Context, msg stateway.Message) error {
	if poison > 0 {
		sent, err := stateway.Int64.Read(msg)
		if err != nil {
			return err
		}
		if uint64(sent)*0x9e3779b97f4a7c15>>20%poison == 0 { //nolint:gosec // any bits will do
			return errors.New("a poison message")
		}
	}
	n, err := count.Get(ctx)
	if err != nil {
		return err
	}
	count.Set(ctx, n+1)
	ctx.Egress("bench/out", msg.Payload())
	return nil
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8000", "host:port, or unix:/path for a Unix socket")
	flag.Uint64Var(&poison, "poison", 0, "one message in so many fails; 0 means none")
	procs := flag.Int("procs", 0, "GOMAXPROCS; 0 leaves Go's default")
	flag.Parse()
	if *procs > 0 {
		runtime.GOMAXPROCS(*procs)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *listen)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address string) error {
	network := "tcp"
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Println("listening")
	app := stateway.New()
	app.Function("bench/counter", counter, count)
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
