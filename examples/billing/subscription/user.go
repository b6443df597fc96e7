package subscription

import (
	"fmt"
	"log/slog"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
)

// Subscription is the state of a User. The user function in Python keeps the same one.
type Subscription struct {
	Status  string `json:"status"` // one of those below; empty if the user never had one
	Plan    string `json:"plan"`
	Cents   int64  `json:"cents"` // a month
	Card    string `json:"card"`
	Months  int64  `json:"months"`  // still to be paid; zero means until it is cancelled
	Invoice int64  `json:"invoice"` // number of the last one
	Open    bool   `json:"open"`    // whether it is still being collected
}

// The status of a Subscription.
const (
	active    = "active"
	leaving   = "leaving" // cancelled while an invoice was being collected
	suspended = "suspended"
	over      = "over"
)

var current = stateway.Value[Subscription]("subscription")

// billingDate names the delayed message of the next billing date. A user has at most one.
const billingDate = "billing-date"

// user is the code of the function User.
type user struct {
	month time.Duration
}

func (u user) handle(ctx *stateway.Context, msg stateway.Message) error {
	s, err := current.Get(ctx)
	if err != nil {
		return err
	}
	switch {
	case ChangeType.Is(msg):
		u.change(ctx, &s, msg)
	case dueType.Is(msg):
		err = u.due(ctx, &s, msg)
	case settlementType.Is(msg):
		err = u.settled(ctx, &s, msg)
	default:
		err = fmt.Errorf("user %s: unknown message type %s", ctx.Self().ID, msg.TypeName())
	}
	if err != nil {
		return err
	}
	current.Set(ctx, s)
	return nil
}

// change never fails: others write to the stream, too, and a message that fails holds its user up.
func (u user) change(ctx *stateway.Context, s *Subscription, msg stateway.Message) {
	c, err := ChangeType.Read(msg)
	if err != nil {
		tell(ctx, Result{Event: Refused, Reason: "not a change"})
		return
	}
	if why := s.refuses(c); why != "" {
		tell(ctx, Result{Event: Refused, Plan: c.Plan, Reason: why})
		return
	}
	switch c.Change {
	case Start:
		u.start(ctx, s, c)
	case ChangePlan:
		s.Plan, s.Cents = c.Plan, c.Cents
		tell(ctx, Result{Event: Changed, Plan: s.Plan, Cents: s.Cents})
	case Cancel:
		cancel(ctx, s)
	}
}

// refuses says why a change does not fit; empty if it does.
func (s *Subscription) refuses(c Change) string {
	switch {
	case c.Change != Start && c.Change != ChangePlan && c.Change != Cancel:
		return "no such change"
	case c.Change == Start && (s.Status == active || s.Status == leaving):
		return "there is a subscription already"
	case c.Change != Start && s.Status != active:
		return "there is no subscription"
	case c.Change != Cancel && (c.Cents <= 0 || c.Months < 0):
		return "no price, or fewer than no months"
	}
	return ""
}

func (u user) start(ctx *stateway.Context, s *Subscription, c Change) {
	*s = Subscription{Status: active, Plan: c.Plan, Cents: c.Cents, Card: c.Card, Months: c.Months, Invoice: s.Invoice}
	u.billInAMonth(ctx, s)
	tell(ctx, Result{Event: Started, Plan: s.Plan, Cents: s.Cents})
}

// billInAMonth sets the next billing date: a message that waits in the node's state, whatever happens to the node.
func (u user) billInAMonth(ctx *stateway.Context, s *Subscription) {
	ctx.SendAfterWithToken(u.month, billingDate, ctx.Self(), dueType.Of(due{Invoice: s.Invoice + 1}))
}

// cancel takes the next billing date back. While an invoice is open there is none, but it may be paid at this very moment: the Payment knows.
func cancel(ctx *stateway.Context, s *Subscription) {
	if s.Open {
		s.Status = leaving
		ctx.Send(Payment.At(ctx.Self().ID), withdrawType.Of(withdraw{Invoice: s.Invoice}))
		return
	}
	ctx.Cancel(billingDate)
	leave(ctx, s)
}

func leave(ctx *stateway.Context, s *Subscription) {
	s.Status = over
	tell(ctx, Result{Event: Cancelled, Plan: s.Plan})
}

// due asks for the money of a month. A delayed message that is on its way already arrives in spite of its cancellation: it is for an invoice
// that nobody waits for, and does nothing.
func (u user) due(ctx *stateway.Context, s *Subscription, msg stateway.Message) error {
	date, err := dueType.Read(msg)
	if err != nil {
		return err
	}
	if s.Status != active || s.Open || date.Invoice != s.Invoice+1 {
		return nil
	}
	s.Invoice, s.Open = date.Invoice, true
	ctx.Send(Payment.At(ctx.Self().ID), collectType.Of(collect{Invoice: s.Invoice, Cents: s.Cents, Card: s.Card}))
	return nil
}

// settled is what the Payment answers.
func (u user) settled(ctx *stateway.Context, s *Subscription, msg stateway.Message) error {
	answer, err := settlementType.Read(msg)
	if err != nil {
		return err
	}
	if !s.Open || answer.Invoice != s.Invoice {
		slog.Warn("settlement ignored: that invoice is not open", "user", ctx.Self().ID, "invoice", answer.Invoice)
		return nil
	}
	s.Open = answer.Outcome == declined
	told := Result{Event: Declined, Plan: s.Plan, Invoice: s.Invoice, Cents: answer.Cents, Try: answer.Try, Reason: answer.Reason}
	switch answer.Outcome {
	case paid:
		told.Event = Paid
		tell(ctx, told)
	case declined, failed:
		tell(ctx, told)
	}
	if !s.Open {
		u.next(ctx, s, answer.Outcome)
	}
	return nil
}

// next goes on after an invoice.
func (u user) next(ctx *stateway.Context, s *Subscription, outcome string) {
	switch {
	case s.Status == leaving:
		leave(ctx, s)
	case outcome == failed:
		s.Status = suspended
		tell(ctx, Result{Event: Suspended, Plan: s.Plan, Invoice: s.Invoice})
	case s.Months == 1:
		s.Status, s.Months = over, 0
		tell(ctx, Result{Event: Ended, Plan: s.Plan})
	default:
		s.Months = max(s.Months-1, 0)
		u.billInAMonth(ctx, s)
	}
}

// tell sends a result to the stream. All results of a user leave here, with the user as partition key, and so stay in order.
func tell(ctx *stateway.Context, r Result) {
	r.User = ctx.Self().ID
	ctx.Egress(Results, stateway.KinesisRecord(ResultsStream, r.User, resultType.Of(r)))
}
