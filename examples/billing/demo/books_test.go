package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/examples/billing/subscription"
)

// tries returns what must come out for the payment of an invoice.
func tries(user string, invoice, cents int64) []subscription.Result {
	var all []subscription.Result
	for try := int64(1); ; try++ {
		r := subscription.Result{User: user, Event: subscription.Paid, Invoice: invoice, Cents: cents, Try: try}
		if r.Reason = subscription.Declines(subscription.Key(user, invoice, try), "4711"); r.Reason == "" {
			return append(all, r)
		}
		r.Event, r.Cents = subscription.Declined, 0
		all = append(all, r)
	}
}

// right is what must come out for somebody who starts, takes another plan after the first invoice, and pays a second one.
func right(user string) []subscription.Result {
	all := []subscription.Result{{User: user, Event: subscription.Started, Plan: "basic", Cents: 900}}
	all = append(all, tries(user, 1, 900)...)
	all = append(all, subscription.Result{User: user, Event: subscription.Changed, Plan: "pro", Cents: 1900})
	all = append(all, tries(user, 2, 1900)...)
	return append(all, subscription.Result{User: user, Event: subscription.Ended, Plan: "pro"})
}

func steps(user string) []step {
	return []step{
		{user: user, change: subscription.Change{Change: subscription.Start, Plan: "basic", Cents: 900, Months: 2, Card: "4711"}},
		{user: user, change: subscription.Change{Change: subscription.ChangePlan, Plan: "pro", Cents: 1900}},
	}
}

// enterAll enters results, whose ids are their places in the list.
func enterAll(t *testing.T, b *books, results []subscription.Result) error {
	t.Helper()
	for n, r := range results {
		data, err := json.Marshal(map[string]any{"id": fmt.Sprint(n), "data": r})
		if err != nil {
			t.Fatal(err)
		}
		record := types.Record{Data: data}
		if _, isNew, err := b.enter(record); err != nil || !isNew {
			return err
		}
		if _, isNew, err := b.enter(record); err != nil || isNew {
			t.Errorf("a repeat of %s counts: %v", data, err)
		}
	}
	return nil
}

// A demo that finds nothing wrong proves nothing unless the books find what is.
func TestBooksFindWhatIsWrong(t *testing.T) {
	const user = "Kim"
	all := right(user)
	b := newBooks(steps(user), 9)
	if err := enterAll(t, b, all); err != nil || !b.complete() || b.results != len(all) || b.repeats != len(all) {
		t.Fatalf("what is right: %v, complete %v, %d results, %d repeats", err, b.complete(), b.results, b.repeats)
	}
	for n := range all {
		t.Run(fmt.Sprintf("without %d, %s", n, all[n].Event), func(t *testing.T) {
			b := newBooks(steps(user), 9)
			if err := enterAll(t, b, append(append([]subscription.Result{}, all[:n]...), all[n+1:]...)); err == nil && b.complete() {
				t.Error("nobody noticed")
			}
		})
		t.Run(fmt.Sprintf("%d, %s, twice", n, all[n].Event), func(t *testing.T) {
			twice := append(append([]subscription.Result{}, all[:n+1]...), all[n:]...)
			if err := enterAll(t, newBooks(steps(user), 9), twice); err == nil {
				t.Error("nobody noticed")
			}
		})
	}
}

func TestAWrongPriceIsFound(t *testing.T) {
	all := right("Kim")
	for n := range all {
		if all[n].Event == subscription.Paid {
			all[n].Cents++
		}
	}
	if err := enterAll(t, newBooks(steps("Kim"), 9), all); err == nil || !strings.Contains(err.Error(), "costs 9.00") {
		t.Errorf("got %v", err)
	}
}

func TestUnlikeNamesWhatProviderAndResultsTell(t *testing.T) {
	b := &books{paid: map[string]int64{"a": 1, "b": 2}}
	got := b.unlike(map[string]subscription.Answer{"a": {Cents: 1}, "b": {Cents: 3}, "c": {Cents: 4}, "d": {Reason: "no"}})
	if len(got) != 2 {
		t.Errorf("got %q", got)
	}
}
