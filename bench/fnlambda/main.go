// Command fnlambda is the function of fnserver-sdk on AWS Lambda, as the emulator has it: environments within this process, so that what the
// bench counts as the functions' is the function, the SDK and the emulator together.
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
	"syscall"
	"time"

	"github.com/stateway/stateway/bench/counter"
	"github.com/stateway/stateway/internal/lambdaemu"
	stateway "github.com/stateway/stateway/lambda-sdk"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9001", "host:port of the Invoke API")
	var function counter.Options
	function.Flags(flag.CommandLine)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *listen, function.App())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address string, app *stateway.App) error {
	emulator, err := lambdaemu.New(lambdaemu.Config{Functions: []lambdaemu.Function{
		{Name: "counter", Handler: app.Lambda().Invoke, Timeout: time.Minute},
	}})
	if err != nil {
		return err
	}
	defer emulator.Close()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Println("listening")
	server := &http.Server{Handler: emulator, ReadHeaderTimeout: time.Minute}
	go func() {
		<-ctx.Done()
		_ = server.Close() // the program ends
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
