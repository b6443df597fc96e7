// Command fraud-detection serves the functions that know accounts and merchants as a CloudEvents server, as Knative would run it: on port
// 1108 or the one that PORT names. WINDOW is how long a confirmed fraud counts, 720h unless it says otherwise. The transaction manager
// is in ./bootstrap, the model in ./python.
//
//	WINDOW=1m go run ./examples/fraud-detection
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/stateway/stateway/examples/fraud-detection/fraud"
)

func main() {
	window, err := time.ParseDuration(cmp.Or(os.Getenv("WINDOW"), fraud.DefaultWindow.String()))
	if err == nil && window < time.Millisecond {
		err = errors.New("it must be at least 1ms")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fraud-detection: WINDOW:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := serve(ctx, cmp.Or(os.Getenv("PORT"), "1108"), window); err != nil {
		fmt.Fprintln(os.Stderr, "fraud-detection:", err)
		os.Exit(1)
	}
}

// serve answers until ctx ends, which is when Knative sends SIGTERM, and finishes what was begun.
func serve(ctx context.Context, port string, window time.Duration) error {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s/, a confirmed fraud counts for %s\n", listener.Addr(), window)
	server := &http.Server{Handler: fraud.NewScores(window), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return server.Shutdown(context.WithoutCancel(ctx))
	}
}
