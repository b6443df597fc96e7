// Command demo runs the fraud detection for some seconds and checks its decisions afterwards: it starts the transaction manager under the
// Lambda emulator, counter and merchant as a CloudEvents server behind Knative's queue-proxy, the model in Python, and a node; it pays,
// confirms frauds, kills the node in between (kill -9) and starts it again, and computes each decision once more by itself.
//
//	make example-fraud-detection
//	go run ./examples/fraud-detection/demo -stateway bin/stateway -payments 5000
//
// The exit code is 0 only if each transaction was decided exactly once, as the model's formula says.
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

	"github.com/stateway/stateway/test/harness"
)

// options are the flags.
type options struct {
	binary     string        // of the node
	payments   int           // of the first wave
	customers  int           // who pay at a time; each waits for an answer before it goes on
	window     time.Duration // instead of 30 days
	queueProxy bool          // before counter and merchant
	kill       bool
	keep       bool // leave the folder behind
}

func main() {
	o := options{}
	flag.StringVar(&o.binary, "stateway", "bin/stateway", "the `program` that make build makes")
	flag.IntVar(&o.payments, "payments", 600, "payments before frauds are confirmed")
	flag.IntVar(&o.customers, "customers", 32, "customers at a time")
	flag.DurationVar(&o.window, "window", 5*time.Second, "how long a confirmed fraud counts")
	flag.BoolVar(&o.queueProxy, "queue-proxy", true, "put Knative's queue-proxy before counter and merchant where it can run; the first time, it is built")
	flag.BoolVar(&o.kill, "kill", true, "kill -9 the node, two times")
	flag.BoolVar(&o.keep, "keep", false, "keep the folder with data, bucket and logs")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	harness.Cleanup()
	if err != nil {
		fmt.Fprintf(os.Stderr, "\nFAILED: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.payments < 10*accounts || o.customers < 1 || o.window < time.Second {
		return fmt.Errorf("-payments must be at least %d, -customers at least 1, -window at least 1s", 10*accounts)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute+2*o.window)
	defer cancel()
	m, err := readModel()
	if err != nil {
		return err
	}
	w, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer w.close()
	b := &books{model: m}
	if err := play(ctx, o, w, b); err != nil {
		return err
	}
	return b.compare()
}

// messagesEach is how many messages a transaction gets: the payment and three answers.
const messagesEach = 4

// play is what happens: payments; some are confirmed as frauds; the same payments while these count; and again when they do not any more.
func play(ctx context.Context, o options, w *world, b *books) error {
	if err := w.rateMerchants(ctx); err != nil {
		return err
	}
	first := firstWave(o.payments)
	w.say("%d customers begin to pay: %d payments over HTTP, from %d accounts", o.customers, len(first.payments), accounts)
	if err := w.pay(ctx, o, b, first, o.kill); err != nil {
		return err
	}

	frauds := first.frauds()
	began := time.Now()
	if err := w.confirm(ctx, o, frauds); err != nil {
		return err
	}
	if o.kill {
		if err := w.crash(ctx, fmt.Sprintf("while %d delayed messages wait for the end of the window", len(frauds))); err != nil {
			return err
		}
	}
	again := repeatOf("again", frauds, limits{0, fraudsEach})
	if err := w.pay(ctx, o, b, again, false); err != nil {
		return err
	}
	if took := time.Since(began); took < o.window {
		again.recent.least = fraudsEach
		w.say("the same payments once more, within %d ms of the first confirmation: all frauds must have counted", took.Milliseconds())
	} else {
		w.say("the same payments once more, but it took longer than the window: some of the frauds need not have counted")
	}

	if err := w.awaitWindow(ctx, b, frauds); err != nil {
		return err
	}
	w.say("%s later the delayed messages have come: no fraud counts any more", o.window)
	if err := w.pay(ctx, o, b, repeatOf("later", frauds, limits{}), false); err != nil {
		return err
	}
	if err := errors.Join(w.takeRest(ctx, b), w.stopNode()); err != nil {
		return err
	}
	messages := len(b.decisions)*messagesEach + len(frauds)
	w.say("%d invocations of the Lambda function have carried the %d messages of all transactions", w.told.Load()-1, messages)
	return nil
}
