package subscription

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/lambda-sdk/statewaytest"
)

var settings = Settings{Month: time.Minute, RetryAfter: time.Second, Tries: 2}

const kim = "Kim"

func instance(t *testing.T, typ stateway.FunctionType) *statewaytest.Instance {
	return statewaytest.New(t, New(settings, new(Provider)), typ.At(kim))
}

func change(c Change) stateway.Payload { return ChangeType.Of(c) }

func start(months int64) stateway.Payload {
	return change(Change{Change: Start, Plan: "basic", Cents: 900, Months: months, Card: "4711"})
}

func dueFor(invoice int64) stateway.Payload { return dueType.Of(due{Invoice: invoice}) }

func answer(invoice int64, outcome string) stateway.Payload {
	s := settlement{Invoice: invoice, Outcome: outcome, Try: 1}
	if outcome == paid {
		s.Cents = 900
	}
	return settlementType.Of(s)
}

// told are the events of a delivery, with what is refused.
func told(t *testing.T, e statewaytest.Effects) string {
	t.Helper()
	var events []string
	for _, record := range e.Egress {
		k := statewaytest.Kinesis(t, record)
		var r Result
		if err := json.Unmarshal(k.Data, &r); err != nil {
			t.Fatal(err)
		}
		if record.Egress != Results || k.Stream != ResultsStream || k.PartitionKey != kim || r.User != kim {
			t.Errorf("a result went astray: %+v of %+v to %s", r, k, record.Egress)
		}
		events = append(events, strings.TrimSuffix(r.Event+": "+r.Reason, ": "))
	}
	return strings.Join(events, ", ")
}

// What a user tells after each message, the message's effects on the next billing date, and what is asked of the payment.
func TestUser(t *testing.T) {
	type step struct {
		message   stateway.Payload
		told      string
		billed    int64  // invoice of the billing date that is set; zero if none is
		cancelled bool   // the billing date is
		asked     string // typename
	}
	cancel, pro := change(Change{Change: Cancel}), change(Change{Change: ChangePlan, Plan: "pro", Cents: 1900})
	cases := []struct {
		rule  string
		steps []step
	}{
		{"a subscription lasts as long as it says", []step{
			{message: start(2), told: "started", billed: 1},
			{message: dueFor(1), asked: "billing/Collect"},
			{message: answer(1, paid), told: "paid", billed: 2},
			{message: dueFor(2), asked: "billing/Collect"},
			{message: answer(2, paid), told: "paid, ended"},
		}},
		{"one without months goes on", []step{
			{message: start(0), told: "started", billed: 1},
			{message: dueFor(1), asked: "billing/Collect"},
			{message: answer(1, paid), told: "paid", billed: 2},
		}},
		{"cancelling takes the billing date back, and one that came all the same does nothing", []step{
			{message: start(0), told: "started", billed: 1},
			{message: cancel, told: "cancelled", cancelled: true},
			{message: dueFor(1)},
		}},
		{"cancelling withdraws an open invoice", []step{
			{message: start(0), told: "started", billed: 1},
			{message: dueFor(1), asked: "billing/Collect"},
			{message: answer(1, declined), told: "declined"},
			{message: cancel, asked: "billing/Withdraw"},
			{message: pro, told: "refused: there is no subscription"},
			{message: answer(1, withdrawn), told: "cancelled"},
		}},
		{"an invoice that was paid before it was withdrawn is told", []step{
			{message: start(0), told: "started", billed: 1},
			{message: dueFor(1), asked: "billing/Collect"},
			{message: cancel, asked: "billing/Withdraw"},
			{message: start(0), told: "refused: there is a subscription already"},
			{message: answer(1, paid), told: "paid, cancelled"},
		}},
		{"an invoice that fails for good suspends, and starting again goes on counting", []step{
			{message: start(3), told: "started", billed: 1},
			{message: dueFor(1), asked: "billing/Collect"},
			{message: answer(1, declined), told: "declined"},
			{message: answer(1, failed), told: "declined, suspended"},
			{message: cancel, told: "refused: there is no subscription"},
			{message: start(3), told: "started", billed: 2},
		}},
		{"what does not fit is refused or ignored", []step{
			{message: pro, told: "refused: there is no subscription"},
			{message: change(Change{Change: Start}), told: "refused: no price, or fewer than no months"},
			{message: change(Change{Change: "stop"}), told: "refused: no such change"},
			{message: stateway.RawPayload(ChangeType.Name(), []byte("?")), told: "refused: not a change"},
			{message: start(0), told: "started", billed: 1},
			{message: pro, told: "changed"},
			{message: dueFor(2)},
			{message: answer(1, paid)},
		}},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			user := instance(t, User)
			for _, s := range c.steps {
				e := user.DeliverFrom(Payment.At(kim), s.message)
				got := step{message: s.message, told: told(t, e), cancelled: slices.Contains(e.Cancelled, billingDate)}
				for _, d := range e.Delayed {
					got.billed = statewaytest.Read(user, dueType, d.Message).Invoice
					if d.After != time.Minute || d.Token != billingDate || d.To != User.At(kim) {
						t.Errorf("the billing date is %+v", d)
					}
				}
				for _, sent := range e.Sent {
					got.asked += sent.Message.TypeName()
				}
				if diff := cmp.Diff(s, got, cmp.AllowUnexported(step{})); diff != "" {
					t.Fatalf("%s (-want +got):\n%s", s.message, diff)
				}
			}
		})
	}
}

func TestThePlanOfTheDayIsCharged(t *testing.T) {
	user := instance(t, User)
	user.Deliver(start(0), change(Change{Change: ChangePlan, Plan: "pro", Cents: 1900}))
	e := user.Deliver(dueFor(1))
	if got, want := statewaytest.Read(user, collectType, e.Sent[0].Message), (collect{Invoice: 1, Cents: 1900, Card: "4711"}); got != want {
		t.Errorf("asked for %+v, want %+v", got, want)
	}
}

// What a payment does after each message. The charge of a try comes back to it.
func TestPayment(t *testing.T) {
	type step struct {
		message   stateway.Payload
		ordered   string // key of the charge
		told      string // outcomes
		retried   int64  // the try that is set for later; zero if none is
		cancelled bool   // the try that was set is
	}
	collectFrom := func(card string) stateway.Payload { return collectType.Of(collect{Invoice: 7, Cents: 900, Card: card}) }
	charged := func(try int64, card string) stateway.Payload {
		return ChargeType.Of(Charge{Key: Key(kim, 7, try), Cents: 900, Card: card})
	}
	again := func(try int64) stateway.Payload { return retryType.Of(retry{Invoice: 7, Try: try}) }
	withdrawal := withdrawType.Of(withdraw{Invoice: 7})
	const expired, good = ExpiredCard, "4711"
	cases := []struct {
		rule  string
		steps []step
	}{
		{"a charge that was not ordered is ignored", []step{
			{message: charged(1, good)},
			{message: collectFrom(good), ordered: "Kim/7/1"},
			{message: charged(2, good)},
			{message: stateway.RawPayload(ChargeType.Name(), []byte("?"))},
			{message: charged(1, good), told: "paid"},
			{message: charged(1, good)},
		}},
		{"what is declined is tried again, but not for ever", []step{
			{message: collectFrom(expired), ordered: "Kim/7/1"},
			{message: charged(1, expired), told: "declined", retried: 2},
			{message: again(2), ordered: "Kim/7/2"},
			{message: again(2)},
			{message: charged(2, expired), told: "failed"},
			{message: again(3)},
		}},
		{"an invoice is withdrawn between two tries", []step{
			{message: collectFrom(expired), ordered: "Kim/7/1"},
			{message: charged(1, expired), told: "declined", retried: 2},
			{message: withdrawal, told: "withdrawn", cancelled: true},
			{message: again(2)},
			{message: withdrawal},
		}},
		{"one whose try is on its way is withdrawn after that", []step{
			{message: collectFrom(expired), ordered: "Kim/7/1"},
			{message: withdrawal},
			{message: charged(1, expired), told: "declined, withdrawn", cancelled: true},
		}},
		{"or is paid after all", []step{
			{message: collectFrom(good), ordered: "Kim/7/1"},
			{message: withdrawal},
			{message: charged(1, good), told: "paid"},
		}},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			payment := instance(t, Payment)
			for _, s := range c.steps {
				e := payment.DeliverFrom(User.At(kim), s.message)
				got := step{message: s.message, ordered: ordered(t, e), cancelled: slices.Contains(e.Cancelled, nextTry)}
				var outcomes []string
				for _, sent := range e.Sent {
					outcomes = append(outcomes, statewaytest.Read(payment, settlementType, sent.Message).Outcome)
				}
				got.told = strings.Join(outcomes, ", ")
				for _, d := range e.Delayed {
					got.retried = statewaytest.Read(payment, retryType, d.Message).Try
					if d.After != time.Second || d.Token != nextTry || d.To != Payment.At(kim) {
						t.Errorf("the next try is %+v", d)
					}
				}
				if diff := cmp.Diff(s, got, cmp.AllowUnexported(step{})); diff != "" {
					t.Fatalf("%s (-want +got):\n%s", s.message, diff)
				}
			}
		})
	}
}

// ordered are the keys of the charges in a delivery.
func ordered(t *testing.T, e statewaytest.Effects) string {
	t.Helper()
	var keys []string
	for _, record := range e.Egress {
		k := statewaytest.Kinesis(t, record)
		var c Charge
		if err := json.Unmarshal(k.Data, &c); err != nil {
			t.Fatal(err)
		}
		if record.Egress != Charges || k.Stream != ChargesStream || k.PartitionKey != kim || c.Cents != 900 {
			t.Errorf("a charge went astray: %+v of %+v to %s", c, k, record.Egress)
		}
		keys = append(keys, c.Key)
	}
	return strings.Join(keys, ", ")
}

func TestTheProviderTakesMoneyOnceForAKey(t *testing.T) {
	var p Provider
	key := Key(kim, 1, 1)
	for Declines(key, "") != "" {
		key += "'"
	}
	if got := p.Charge(Charge{Key: key, Cents: 900}); got != (Answer{Cents: 900}) {
		t.Errorf("answered %+v", got)
	}
	if got := p.Charge(Charge{Key: key, Cents: 1900}); got != (Answer{Cents: 900}) {
		t.Errorf("asked again, it answered %+v", got)
	}
	if answers, repeats := p.Answers(); len(answers) != 1 || repeats != 1 {
		t.Errorf("answers %v, %d repeats", answers, repeats)
	}
	declined := 0
	for n := range int64(1000) {
		if Declines(Key(kim, n, 1), "4711") != "" {
			declined++
		}
	}
	if declined < 200 || declined > 300 {
		t.Errorf("%d of 1000 were declined, want one in four", declined)
	}
}

func TestUnknownMessagesFail(t *testing.T) {
	for _, typ := range []stateway.FunctionType{User, Payment} {
		if err := instance(t, typ).DeliverError(stateway.Bool.Of(true)); err == nil {
			t.Errorf("%s took it", typ)
		}
	}
}
