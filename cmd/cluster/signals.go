package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// untilSignal returns a context that ends with the first SIGTERM or SIGINT; the second ends the process at once. Stop ends the watch.
func untilSignal(ctx context.Context, log *slog.Logger, exit func(code int)) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for count := 1; ; count++ {
			select {
			case <-done:
				return
			case s := <-signals:
				if count > 1 {
					log.Warn("second signal: ending at once, without a checkpoint", "signal", s.String())
					exit(exitFailure)
					return
				}
				log.Info("halting: a last checkpoint, then the end; a second signal ends at once", "signal", s.String())
				cancel()
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		<-watched
		cancel()
	}
}
