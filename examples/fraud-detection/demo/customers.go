package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stateway/stateway/examples/fraud-detection/fraud"
	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/admin"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/test/harness"
)

// send puts one message in until it is taken. Its Address and type name it, so that a repeat counts once.
func send[T any](ctx context.Context, w *world, to stateway.Address, typ stateway.Type[T], v T) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.Ingress.PutUntilTaken(ctx, harness.Message{
		Function: string(to.Type), ID: to.ID, Type: typ.Name(), Body: body, Source: "demo", EventID: typ.Name() + " " + to.ID,
	})
}

// rateMerchants tells the merchants' risks before anybody pays. What is answered is durable, and comes before all that is sent later.
func (w *world) rateMerchants(ctx context.Context) error {
	for _, m := range merchants {
		if err := send(ctx, w, fraud.Merchant.At(m.name), fraud.RatingType, fraud.Rating{Risk: m.risk}); err != nil {
			return err
		}
	}
	return nil
}

// pay makes the payments of a wave and takes the decisions. With kill the node is killed in the middle.
func (w *world) pay(ctx context.Context, o options, b *books, next *wave, kill bool) error {
	b.waves = append(b.waves, next)
	var paid atomic.Int64
	done := make(chan error, 1)
	go func() {
		done <- each(ctx, o.customers, next.payments, func(p payment) error {
			defer paid.Add(1)
			return send(ctx, w, fraud.Transaction.At(p.id), fraud.PaymentType, p.Payment)
		})
	}()
	if kill {
		err := w.await(ctx, func() bool { return paid.Load() >= int64(len(next.payments)/2) || len(done) > 0 })
		if err == nil {
			err = w.crash(ctx, fmt.Sprintf("after %d payments; customers repeat those that got no answer", paid.Load()))
		}
		if err != nil {
			return err
		}
	}
	if err := <-done; err != nil {
		return err
	}
	return w.take(ctx, b)
}

// confirm says that payments were frauds, and waits until everybody concerned knows.
func (w *world) confirm(ctx context.Context, o options, frauds []payment) error {
	err := each(ctx, o.customers, frauds, func(p payment) error {
		return send(ctx, w, fraud.Transaction.At(p.id), fraud.ConfirmFraudType, fraud.ConfirmFraud{})
	})
	if err != nil {
		return err
	}
	shops, robbed := byMerchant(frauds), byAccount(frauds)
	for name, n := range shops {
		if err := awaitState(ctx, w, fraud.Merchant.At(name), "merchant", func(s state) bool { return s.Frauds == n }); err != nil {
			return err
		}
	}
	for name, n := range robbed {
		if err := awaitState(ctx, w, fraud.Counter.At(name), "frauds", func(s state) bool { return s.Total == n }); err != nil {
			return err
		}
	}
	w.say("%d payments are confirmed as frauds; %d accounts and %d merchants know of it", len(frauds), len(robbed), len(shops))
	return nil
}

// awaitWindow waits until no account has recent frauds, and keeps what is known of it for the books.
func (w *world) awaitWindow(ctx context.Context, b *books, frauds []payment) error {
	for name, n := range byAccount(frauds) {
		var last state
		if err := awaitState(ctx, w, fraud.Counter.At(name), "frauds", func(s state) bool { last = s; return s.Recent <= 0 }); err != nil {
			return err
		}
		b.frauds.known += last.Total
		b.frauds.recent += last.Recent
		b.frauds.confirmed += n
	}
	return nil
}

// state is what the states of counters and merchants hold, as `stateway state get` shows it.
type state struct {
	Recent, Total int64 // of an account
	Frauds        int64 // of a merchant
}

// awaitState reads a state from the node until it is as it should be.
func awaitState(ctx context.Context, w *world, of stateway.Address, name string, enough func(state) bool) error {
	var last error
	err := w.await(ctx, func() bool {
		var s state
		got, err := w.Admin.State(ctx, core.Address{Type: core.FunctionType(of.Type), ID: of.ID}, name)
		if missing := new(admin.Error); err == nil {
			err = json.Unmarshal(got.States[0].Value, &s)
		} else if errors.As(err, &missing) && missing.Status == http.StatusNotFound {
			err = nil // nothing yet
		}
		last = err
		return err == nil && enough(s)
	})
	if err != nil {
		return fmt.Errorf("wait for the state of %s: %w", of, errors.Join(err, last))
	}
	return nil
}

// await polls until something is true.
func (w *world) await(ctx context.Context, done func() bool) error {
	for !done() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w\n%s", ctx.Err(), w.Node.Output())
		case <-w.Node.Ended():
			return fmt.Errorf("the node ended by itself: %w", w.Node.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// each does something for all payments, a few at a time, until the first error.
func each(ctx context.Context, atATime int, payments []payment, do func(payment) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range atATime {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(payments) {
					return
				}
				if err := do(payments[i]); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
