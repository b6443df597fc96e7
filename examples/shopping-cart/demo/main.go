// Command demo runs the shopping cart for a few seconds and checks the books afterwards: it starts the functions and a node, lets
// customers order over HTTP, kills the node in the middle (kill -9), starts it again, and compares what was ordered with the receipts that
// came out and with what is left in the stock.
//
//	make demo
//	go run ./examples/shopping-cart/demo -stateway bin/stateway -orders 2000 -customers 50
//
// The exit code is 0 only if every checkout led to exactly one receipt and no item was lost or doubled.
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
)

// options are the flags.
type options struct {
	binary    string        // of the node
	orders    int           // checkouts, over all customers
	customers int           // each waits for an answer before it goes on
	expiry    time.Duration // of a cart
	kill      bool
	keep      bool // leave the folder behind
}

func main() {
	o := options{}
	flag.StringVar(&o.binary, "stateway", "bin/stateway", "the `program` that make build makes")
	flag.IntVar(&o.orders, "orders", 600, "checkouts, over all customers")
	flag.IntVar(&o.customers, "customers", 20, "customers at a time")
	flag.DurationVar(&o.expiry, "expiry", 3*time.Second, "how long a cart waits for its customer")
	flag.BoolVar(&o.kill, "kill", true, "kill -9 the node in the middle")
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

func run(ctx context.Context, o options) error {
	if o.orders < 1 || o.customers < 1 || o.expiry <= 0 {
		return errors.New("-orders, -customers and -expiry must be above zero")
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	w, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer w.close()
	c := &crowd{world: w, options: o}
	if err := trade(ctx, o, w, c); err != nil {
		return err
	}
	return audit(ctx, w, c)
}

// trade fills the stock and lets the customers order; in the middle the node is killed.
func trade(ctx context.Context, o options, w *world, c *crowd) error {
	if err := w.fillStock(ctx, o); err != nil {
		return err
	}
	if err := w.abandonCarts(ctx); err != nil {
		return err
	}
	w.say("%d customers begin: %d orders over HTTP, each request answered once it is durable", o.customers, o.orders)
	done := c.start(ctx)
	if o.kill {
		if err := c.await(ctx, o.orders/2); err != nil {
			return err
		}
		if err := w.crash(ctx, c); err != nil {
			return err
		}
	}
	if err := <-done; err != nil {
		return err
	}
	w.say("all %d orders are in; %d requests had to be repeated", o.orders, c.repeated.Load())
	return nil
}
