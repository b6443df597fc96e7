package main

import (
	"math"
	"strings"
	"testing"

	"github.com/stateway/stateway/examples/fraud-detection/fraud"
)

// books as they must be: one wave with an honest payment and a fraud.
func rightBooks(t *testing.T) *books {
	t.Helper()
	m, err := readModel()
	if err != nil {
		t.Fatal(err)
	}
	w := &wave{recent: limits{1, 2}, confirmed: map[string]int64{"casino": 3}, payments: []payment{
		{"honest", fraud.Payment{Account: "Ann", Merchant: "bakery", Cents: 250, Hour: 8}},
		{"stolen", fraud.Payment{Account: "Ben", Merchant: "casino", Cents: 900000, Hour: 3, Online: true}},
	}}
	b := &books{model: m, waves: []*wave{w}}
	for i, outcome := range []string{fraud.Approved, fraud.Declined} {
		p := w.payments[i]
		risk := riskOf(p.Merchant, w.confirmed[p.Merchant])
		d := fraud.Decision{Transaction: p.id, Outcome: outcome, Score: m.score(p.Payment, 1, risk), Frauds: 1, MerchantRisk: risk}
		b.decisions = append(b.decisions, d)
	}
	stolen := w.payments[1]
	b.alerts = []fraud.Alert{{Transaction: stolen.id, Score: b.decisions[1].Score, Payment: stolen.Payment}}
	return b
}

func TestBooksFindWhatIsWrong(t *testing.T) {
	cases := []struct {
		rule   string
		change func(*books)
		want   string // empty if nothing is wrong
	}{
		{"nothing is wrong", func(*books) {}, ""},
		{"other last digits of a float", func(b *books) { b.decisions[0].Score = math.Nextafter(b.decisions[0].Score, 1) }, ""},
		{"a decision is missing", func(b *books) { b.decisions = b.decisions[1:] }, "honest: decided 0 times"},
		{"a decision came twice", func(b *books) { b.decisions = append(b.decisions, b.decisions[0]) }, "honest: decided 2 times"},
		{"a decision of nothing", func(b *books) { b.decisions = append(b.decisions, fraud.Decision{Transaction: "?"}) }, "decisions: 2 must be, 3 are"},
		{"another score", func(b *books) { b.decisions[0].Score += 1e-6 }, "honest: decided"},
		{"another risk", func(b *books) { b.decisions[0].MerchantRisk = 0.5 }, "honest: decided"},
		{"another outcome", func(b *books) { b.decisions[1].Outcome = fraud.Approved }, "want declined"},
		{"too few frauds counted", func(b *books) { b.waves[0].recent.least = 2 }, "1 recent frauds counted"},
		{"too many frauds counted", func(b *books) { b.waves[0].recent = limits{} }, "1 recent frauds counted"},
		{"an alert is missing", func(b *books) { b.alerts = nil }, "stolen: want one alert"},
		{"an alert came twice", func(b *books) { b.alerts = append(b.alerts, b.alerts[0]) }, "stolen: want one alert"},
		{"an alert of an honest payment", func(b *books) { b.alerts = append(b.alerts, fraud.Alert{Transaction: "honest"}) }, "honest: an alert that must not be"},
		{"an alert of nothing", func(b *books) { b.alerts = append(b.alerts, fraud.Alert{Transaction: "?"}) }, "formula says: 1 must be, 2 are"},
		{"an alert with another payment", func(b *books) { b.alerts[0].Cents++ }, "stolen: want one alert"},
		{"an account knows of too many", func(b *books) { b.frauds.known++ }, "as accounts know them: 0 must be, 1 are"},
		{"a fraud still counts", func(b *books) { b.frauds.recent++ }, "still count: 0 must be, 1 are"},
	}
	for _, c := range cases {
		b := rightBooks(t)
		c.change(b)
		err := b.compare()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.rule, err, c.want)
		}
	}
}

// Each wave is the same every time, and long enough for robbed accounts.
func TestWaves(t *testing.T) {
	first := firstWave(10 * accounts)
	frauds := first.frauds()
	for name, n := range byAccount(frauds) {
		if n != fraudsEach {
			t.Errorf("%s has %d frauds, want %d", name, n, fraudsEach)
		}
	}
	if got := len(frauds); got != fraudsEach*accounts/every {
		t.Errorf("%d frauds", got)
	}
	if frauds[0] != firstWave(10 * accounts).payments[0] {
		t.Error("the payments are others each time")
	}
	for _, p := range repeatOf("again", frauds, limits{}).payments {
		if !strings.HasSuffix(p.id, "-again") {
			t.Errorf("a repeat has the id %s", p.id)
		}
	}
}
