package main

import (
	"fmt"

	"github.com/stateway/stateway/examples/billing/subscription"
)

// account is what must come out for one customer. It reads results in the order of the stream and knows which ones may come next; when is
// left to the clocks.
type account struct {
	tries int64 // of a payment, before the subscription is suspended

	changes []subscription.Change // that are not answered yet, in the order written
	running bool
	cents   int64 // price of a month
	before  int64 // price of an invoice that was begun before the last change of plan
	card    string
	months  int64 // that the subscription lasts; zero means until it is cancelled
	paid    int64 // months of this subscription
	invoice int64 // number of the one to be paid next
	try     int64 // of its payment, the last one
	history []string
}

// enter takes a result in and says what is wrong with it; empty if it may come now.
func (a *account) enter(r subscription.Result) (wrong string) {
	switch r.Event {
	case subscription.Started, subscription.Changed, subscription.Cancelled, subscription.Refused:
		wrong = a.answered(r)
	case subscription.Paid, subscription.Declined:
		wrong = a.tried(r)
	case subscription.Suspended:
		if !a.running || a.try != a.tries {
			wrong = fmt.Sprintf("suspended after %d tries", a.try)
		}
		a.running = false
	case subscription.Ended:
		if !a.running || a.months == 0 || a.paid != a.months {
			wrong = fmt.Sprintf("ended after %d months of %d", a.paid, a.months)
		}
		a.running = false
	default:
		wrong = "there is no such event"
	}
	a.history = append(a.history, r.Event)
	return wrong
}

// answers are the results of changes that fit.
var answers = map[string]string{
	subscription.Start: subscription.Started, subscription.ChangePlan: subscription.Changed, subscription.Cancel: subscription.Cancelled,
}

// answered is a result that a change led to.
func (a *account) answered(r subscription.Result) (wrong string) {
	if len(a.changes) == 0 {
		return "there is no change that this could answer"
	}
	c := a.changes[0]
	a.changes = a.changes[1:]
	want := answers[c.Change]
	if (c.Change == subscription.Start) == a.running {
		want = subscription.Refused
	}
	switch {
	case r.Event != want:
		return fmt.Sprintf("to %s the answer must be %s", c.Change, want)
	case r.Event == subscription.Started:
		*a = account{
			tries: a.tries, changes: a.changes, history: a.history, invoice: 1, // nobody starts twice
			running: true, cents: c.Cents, before: c.Cents, card: c.Card, months: c.Months,
		}
	case r.Event == subscription.Changed:
		a.before, a.cents = a.cents, c.Cents
	case r.Event == subscription.Cancelled:
		a.running = false
	}
	if (r.Event == subscription.Started || r.Event == subscription.Changed) && (r.Plan != c.Plan || r.Cents != c.Cents) {
		return fmt.Sprintf("the change was %+v", c)
	}
	return ""
}

// tried is a payment, or one that was declined.
func (a *account) tried(r subscription.Result) (wrong string) {
	a.try++
	reason := subscription.Declines(subscription.Key(r.User, r.Invoice, r.Try), a.card)
	switch {
	case !a.running:
		return "there is no subscription that this could be for"
	case a.months > 0 && a.paid >= a.months:
		return "all months are paid"
	case r.Invoice != a.invoice || r.Try != a.try || a.try > a.tries:
		return fmt.Sprintf("next must be invoice %d, try %d of %d", a.invoice, a.try, a.tries)
	case r.Reason != reason || (r.Event == subscription.Declined) != (reason != ""):
		return fmt.Sprintf("the provider says %q", reason)
	case r.Event == subscription.Declined:
		return ""
	case r.Cents != a.cents && r.Cents != a.before:
		return fmt.Sprintf("a month costs %s", money(a.cents))
	}
	a.paid, a.invoice, a.try, a.before = a.paid+1, a.invoice+1, 0, r.Cents
	return ""
}
