package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// sameSignal is how soon after the first a signal is taken for the same one: timeout(1) and other
// supervisors signal the process and then its group, so that it gets two of each.
const sameSignal = 200 * time.Millisecond

// untilSignal returns a context that ends with the first SIGTERM or SIGINT; the second ends the process at once. Stop ends the watch.
func untilSignal(ctx context.Context, log *slog.Logger, exit func(code int)) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		watch(signals, done, log, cancel, exit)
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		<-watched
		cancel()
	}
}

// watch calls halt at the first signal and exit at the second, until done is closed.
func watch(signals <-chan os.Signal, done <-chan struct{}, log *slog.Logger, halt func(), exit func(code int)) {
	var first time.Time
	for {
		select {
		case <-done:
			return
		case s := <-signals:
			switch {
			case first.IsZero():
				first = time.Now()
				log.Info("halting: a last checkpoint, then the end; a second signal ends at once", "signal", s.String())
				halt()
			case time.Since(first) >= sameSignal:
				log.Warn("second signal: ending at once, without a checkpoint", "signal", s.String())
				exit(exitFailure)
				return
			}
		}
	}
}
