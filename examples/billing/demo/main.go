// Command demo runs the billing example for some seconds and checks the books afterwards: it starts a Kinesis of its own, the functions and
// a node, writes changes of subscriptions to one stream, kills the node in the middle (kill -9), starts it again, reads the results from
// another stream, and compares them with what the changes must lead to and with what the payment provider took.
//
//	make example-billing
//	go run ./examples/billing/demo -stateway bin/stateway -customers 100 -kills 3
//
// The exit code is 0 only if every change and every payment shows up exactly once, in order.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/stateway/stateway/examples/billing/subscription"
)

// options are the flags.
type options struct {
	binary    string        // of the node
	python    string        // a Python with the SDK, which then serves the user function
	customers int           // those with names included
	month     time.Duration // instead of a real one
	kills     int           // of the node
	keep      bool          // leave the folder behind
}

func main() {
	o := options{}
	flag.StringVar(&o.binary, "stateway", "bin/stateway", "the `program` that make build makes")
	flag.StringVar(&o.python, "python", "", "serve the user function in Python, with this `program`")
	flag.IntVar(&o.customers, "customers", 40, "customers in all")
	flag.DurationVar(&o.month, "month", 2*time.Second, "how long a month is")
	flag.IntVar(&o.kills, "kills", 2, "how often the node gets a kill -9")
	flag.BoolVar(&o.keep, "keep", false, "keep the folder with data, bucket and logs")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "\nFAILED: %v\n", err)
		os.Exit(1)
	}
}

func (o options) settings() subscription.Settings {
	return subscription.Settings{Month: o.month, RetryAfter: o.month / 5, Tries: 3}
}

func run(ctx context.Context, o options) error {
	if o.customers < len(named) || o.month < 100*time.Millisecond || o.kills < 0 {
		return fmt.Errorf("-customers must be at least %d, -month at least 100ms, -kills at least 0", len(named))
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute+20*o.month)
	defer cancel()
	w, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer w.close()
	scripts := scripts(o)
	b := newBooks(scripts, o.settings().Tries)
	p := startProducer(ctx, w, scripts)
	err = w.bill(ctx, o, b, p)
	cancel() // so that the producer ends, if it has not
	return errors.Join(err, p.wait())
}

// poll is the pause between two looks at a stream.
const poll = 100 * time.Millisecond

// bill reads results until every subscription has come to its end, and kills the node now and then: as soon as it has read some, because then no
// checkpoint may say yet that they are published. After the end nothing more may come.
func (w *world) bill(ctx context.Context, o options, b *books, p *producer) error {
	results := &tail{client: w.kinesis.Client(), stream: subscription.ResultsStream}
	for kills := 0; !b.complete(); {
		if err := w.watch(ctx, results, b, p); err != nil {
			return err
		}
		if kills < o.kills && b.results >= b.atLeast*(kills+1)/(o.kills+2) {
			kills++
			if err := w.crash(ctx, b, p); err != nil {
				return err
			}
		}
		if err := pause(ctx, poll); err != nil {
			return err
		}
	}
	w.say("every subscription has come to its end; for another month nothing may be billed")
	for quiet := time.Now().Add(o.month + o.month/2); time.Now().Before(quiet); {
		if err := errors.Join(w.watch(ctx, results, b, p), pause(ctx, poll)); err != nil {
			return err
		}
	}
	rejects, err := w.rejects(ctx)
	if err != nil {
		return err
	}
	if err := w.Node.Stop(15 * time.Second); err != nil {
		return fmt.Errorf("stop the node: %w", err)
	}
	if err := w.read(ctx, results, b); err != nil {
		return err
	}
	return b.compare(w, p, rejects)
}

// watch reads, and finds out if something else has come to an end.
func (w *world) watch(ctx context.Context, results *tail, b *books, p *producer) error {
	if !w.Node.Alive() {
		return fmt.Errorf("the node ended by itself: %s", w.Node.Output())
	}
	if p.failed() {
		return errors.New("the customers could not write all changes")
	}
	return w.read(ctx, results, b)
}

// read takes what is new on the results' stream into the books.
func (w *world) read(ctx context.Context, results *tail, b *books) error {
	records, err := results.poll(ctx)
	if err != nil {
		return fmt.Errorf("read the results: %w", err)
	}
	for _, record := range records {
		r, isNew, err := b.enter(record)
		if err != nil {
			return err
		}
		if isNew && named[r.User] {
			w.say("%s", line(r))
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
