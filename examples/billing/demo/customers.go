package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/stateway/stateway/examples/billing/subscription"
)

// named are the customers whose results are shown as they come.
var named = map[string]bool{"Ann": true, "Ben": true, "Cleo": true, "Dan": true}

// step is a change that a customer makes at some time.
type step struct {
	user   string
	at     time.Duration // since the start
	change subscription.Change
}

const months = 3 // that a subscription lasts, unless it is cancelled

// scripts are all that customers do, in the order of time.
func scripts(o options) []step {
	var all []step
	add := func(user string, months float64, c subscription.Change) {
		all = append(all, step{user: user, at: time.Duration(months * float64(o.month)), change: c})
	}
	basic := subscription.Change{Change: subscription.Start, Plan: "basic", Cents: 900, Months: months, Card: "4711"}
	pro := subscription.Change{Change: subscription.ChangePlan, Plan: "pro", Cents: 1900}
	cancel := subscription.Change{Change: subscription.Cancel}
	endless, broke := basic, basic
	endless.Months, broke.Card = 0, subscription.ExpiredCard

	add("Ann", 0, basic)
	add("Ben", 0.1, basic)
	add("Ben", 1.6, pro)
	add("Cleo", 0.2, endless)
	add("Cleo", 0.7, cancel)
	add("Dan", 0.3, broke)
	for n := len(named); n < o.customers; n++ {
		user, begin := fmt.Sprintf("customer-%02d", n+1), 1.5*float64(n)/float64(o.customers)
		switch n % 4 {
		case 0:
			add(user, begin, endless)
			add(user, begin+1.5, cancel)
		case 1:
			add(user, begin, basic)
			add(user, begin+1.2, pro)
		default:
			add(user, begin, basic)
		}
	}
	slices.SortStableFunc(all, func(a, b step) int { return int(a.at - b.at) })
	return all
}

// producer writes the changes, whatever the node does.
type producer struct {
	written atomic.Int64 // changes
	twice   atomic.Int64 // of them, as by a producer that got no answer
	err     error        // read only after done is closed
	done    chan struct{}
}

// every tenth change is written twice.
const repeatEvery = 10

func startProducer(ctx context.Context, w *world, steps []step) *producer {
	p := &producer{done: make(chan struct{})}
	w.say("customers begin to start, change and cancel subscriptions: %d changes, every %dth of them written twice", len(steps), repeatEvery)
	go func() {
		defer close(p.done)
		p.err = p.run(ctx, w, steps)
	}()
	return p
}

// wait returns what went wrong, if it was not the demo's end.
func (p *producer) wait() error {
	<-p.done
	if errors.Is(p.err, context.Canceled) {
		return nil
	}
	return p.err
}

// failed reports whether it has given up.
func (p *producer) failed() bool {
	select {
	case <-p.done:
		return p.err != nil
	default:
		return false
	}
}

func (p *producer) run(ctx context.Context, w *world, steps []step) error {
	began := time.Now()
	if err := w.put(ctx, "Ann", []byte("no event at all")); err != nil {
		return err
	}
	for n, s := range steps {
		if err := pause(ctx, s.at-time.Since(began)); err != nil {
			return err
		}
		event, err := s.event(n + 1)
		if err != nil {
			return err
		}
		if err := w.put(ctx, s.user, event); err != nil {
			return err
		}
		p.written.Add(1)
		if (n+1)%repeatEvery != 0 {
			continue
		}
		if err := w.put(ctx, s.user, event); err != nil {
			return err
		}
		p.twice.Add(1)
	}
	return nil
}

// event is the change as a CloudEvent. Its source and id name it, so that a repeat counts once.
func (s step) event(number int) ([]byte, error) {
	return json.Marshal(map[string]any{
		"specversion": "1.0", "source": "demo/customers", "id": fmt.Sprintf("change-%d", number),
		"type": subscription.ChangeType.Name(), "datacontenttype": "application/json", "data": s.change,
	})
}

func (w *world) put(ctx context.Context, user string, data []byte) error {
	return w.kinesis.Client().PutRecord(ctx, subscription.ChangesStream, user, data)
}
