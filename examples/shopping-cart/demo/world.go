package main

import (
	"context"
	"fmt"
	"time"

	"github.com/stateway/stateway/examples/shopping-cart/shop"
	"github.com/stateway/stateway/examples/stage"
)

// world is everything that runs: the functions in this process, the node in its own.
type world struct {
	*stage.Stage
	began     time.Time
	functions *stage.Functions
	restocked map[string]int64 // by item
	ordered   int              // checkouts that were answered
}

// open starts functions and node and waits until the node serves.
func open(ctx context.Context, o options) (*world, error) {
	functions, err := stage.Serve(shop.New(o.expiry))
	if err != nil {
		return nil, err
	}
	s, err := stage.Open(o.binary, "shopping-cart", functions.Port)
	if err != nil {
		functions.Close()
		return nil, err
	}
	s.Keep = o.keep
	w := &world{Stage: s, began: time.Now(), functions: functions, restocked: map[string]int64{}}
	if err := w.Start(ctx); err != nil {
		w.close()
		return nil, err
	}
	w.say("the functions listen on port %d; the node is process %d, in %s", functions.Port, w.Node.PID(), w.Dir)
	return w, nil
}

// crash kills the node without any warning and starts it again on the same folders.
func (w *world) crash(ctx context.Context, c *crowd) error {
	pid, done, under := w.Node.PID(), c.finished.Load(), c.underWay.Load()
	w.Node.Kill()
	w.say("kill -9 %d, after %d orders; %d requests were under way, no receipt was taken yet", pid, done, under)
	killed := time.Now()
	if err := w.Start(ctx); err != nil {
		return err
	}
	w.say("the node serves again as process %d, %d ms later; customers repeat what got no answer", w.Node.PID(), time.Since(killed).Milliseconds())
	return nil
}

// stopNode ends the node in the usual way: a last checkpoint, then exit code 0.
func (w *world) stopNode() error {
	if err := w.Node.Stop(15 * time.Second); err != nil {
		return fmt.Errorf("stop the node: %w", err)
	}
	return nil
}

func (w *world) close() {
	w.Close()
	w.functions.Close()
	if w.Keep {
		fmt.Printf("\nkept: %s\n", w.Dir)
	}
}

// say prints one line with the time since the start.
func (w *world) say(format string, args ...any) {
	fmt.Printf("%5.1f s  %s\n", time.Since(w.began).Seconds(), fmt.Sprintf(format, args...))
}
