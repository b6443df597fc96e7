package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/stateway/stateway/examples/fraud-detection/fraud"
)

// books is what was done, and what came out.
type books struct {
	model     model
	waves     []*wave
	decisions []fraud.Decision
	alerts    []fraud.Alert
	frauds    struct{ confirmed, known, recent int64 } // known and recent as the accounts have them
}

// take takes decisions and alerts until all payments so far are decided.
func (w *world) take(ctx context.Context, b *books) error {
	paid := 0
	for _, wave := range b.waves {
		paid += len(wave.payments)
	}
	var problem error
	err := w.await(ctx, func() bool {
		problem = w.takeRest(ctx, b)
		return problem != nil || len(b.decisions) >= paid
	})
	return errors.Join(err, problem)
}

// takeRest takes all that is there.
func (w *world) takeRest(ctx context.Context, b *books) error {
	for {
		d, ok, err := takeOne[fraud.Decision](ctx, w, fraud.DecisionsTopic)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		b.decisions = append(b.decisions, d)
		b.show(w, d)
	}
	for {
		a, ok, err := takeOne[fraud.Alert](ctx, w, fraud.AlertsTopic)
		if err != nil || !ok {
			return err
		}
		b.alerts = append(b.alerts, a)
	}
}

func takeOne[T any](ctx context.Context, w *world, topic string) (v T, ok bool, err error) {
	text, ok, err := w.Egress.Take(ctx, topic)
	if err != nil || !ok {
		return v, false, err
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return v, false, fmt.Errorf("read a record of topic %s, %q: %w", topic, text, err)
	}
	return v, true, nil
}

// show prints what becomes of Ann's payments, those that somebody else has made.
func (b *books) show(w *world, d fraud.Decision) {
	const first = "payment-1"
	if d.Transaction != first && !strings.HasPrefix(d.Transaction, first+"-") {
		return
	}
	p := b.waves[0].payments[0]
	w.say("%s's card, %d.%02d at %s: %s, score %.3f with %d recent frauds", p.Account, p.Cents/100, p.Cents%100, p.Merchant, d.Outcome, d.Score, d.Frauds)
}

// compare computes each decision once more and prints the sums. It returns an error unless all is as it must be.
func (b *books) compare() error {
	decisions, alerts := map[string][]fraud.Decision{}, map[string][]fraud.Alert{}
	for _, d := range b.decisions {
		decisions[d.Transaction] = append(decisions[d.Transaction], d)
	}
	for _, a := range b.alerts {
		alerts[a.Transaction] = append(alerts[a.Transaction], a)
	}
	var wrong []string
	payments, alarming := 0, 0
	for _, wave := range b.waves {
		for _, p := range wave.payments {
			alarm, why := b.check(wave, p, decisions[p.id], alerts[p.id])
			if why != "" {
				wrong = append(wrong, p.id+": "+why)
			}
			payments++
			if alarm {
				alarming++
			}
		}
	}
	t := table{}
	t.head("what", "must be", "came out")
	t.row("decisions", payments, len(b.decisions))
	t.row("alerts, as the model's formula says", alarming, len(b.alerts))
	t.row("confirmed frauds, as accounts know them", b.frauds.confirmed, b.frauds.known)
	t.row("frauds that still count", 0, b.frauds.recent)
	fmt.Printf("\n%s", t.text)
	if wrong = append(t.wrong, wrong...); len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "\n        "))
	}
	fmt.Printf("\nOK: %d transactions, each decided exactly once; %d alerts, the right ones.\n", payments, len(b.alerts))
	return nil
}

// check says whether a payment must lead to an alert, and what is wrong with what it led to.
func (b *books) check(w *wave, p payment, decisions []fraud.Decision, alerts []fraud.Alert) (alarm bool, why string) {
	if len(decisions) != 1 {
		return false, fmt.Sprintf("decided %d times", len(decisions))
	}
	d := decisions[0]
	if d.Frauds < w.recent.least || d.Frauds > w.recent.most {
		why = fmt.Sprintf("%d recent frauds counted, but %d to %d there were", d.Frauds, w.recent.least, w.recent.most)
	}
	risk := riskOf(p.Merchant, w.confirmed[p.Merchant])
	score := b.model.score(p.Payment, d.Frauds, risk)
	want := fraud.Decision{Transaction: p.id, Outcome: fraud.Approved, Score: d.Score, Frauds: d.Frauds, MerchantRisk: d.MerchantRisk}
	if alarm = score > fraud.DefaultAlertAbove; alarm {
		want.Outcome = fraud.Declined
	}
	switch {
	case !near(d.MerchantRisk, risk) || !near(d.Score, score) || d != want:
		why = fmt.Sprintf("decided %+v, want %s with risk %v and score %v", d, want.Outcome, risk, score)
	case !alarm && len(alerts) > 0:
		why = fmt.Sprintf("an alert that must not be: %+v", alerts)
	case alarm && (len(alerts) != 1 || alerts[0] != fraud.Alert{Transaction: p.id, Score: d.Score, Payment: p.Payment}):
		why = fmt.Sprintf("want one alert with score %v, got %+v", d.Score, alerts)
	}
	return alarm, why
}

// near forgives what Python and Go may differ by in the last digits.
func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

// table compares pairs of values.
type table struct {
	text  string
	wrong []string
}

func (t *table) head(what, want, got string) {
	t.text += fmt.Sprintf("         %-40s %8s   %8s\n", what, want, got)
}

func (t *table) row(what string, want, got any) {
	sign := "="
	if fmt.Sprint(want) != fmt.Sprint(got) {
		sign = "≠"
		t.wrong = append(t.wrong, fmt.Sprintf("%s: %v must be, %v are", what, want, got))
	}
	t.text += fmt.Sprintf("         %-40s %8v %s %8v\n", what, want, sign, got)
}
