package fraud

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/lambda-sdk/statewaytest"
)

const t1 = "t-1"

var hats = Payment{Account: "Ann", Merchant: "hats", Cents: 4200, Hour: 14, Online: true}

func transaction(t *testing.T) *statewaytest.Instance {
	return statewaytest.New(t, NewManager(0), Transaction.At(t1))
}

// answered is a transaction that waits for its score.
func answered(t *testing.T) *statewaytest.Instance {
	i := transaction(t)
	i.Deliver(PaymentType.Of(hats))
	i.DeliverFrom(Counter.At("Ann"), fraudCountType.Of(fraudCount{Frauds: 2}))
	i.DeliverFrom(Merchant.At("hats"), merchantRiskType.Of(merchantRisk{Risk: 0.25}))
	return i
}

func scored(v float64) stateway.Payload { return scoreType.Of(score{Score: v}) }

// sent is what a delivery sends, a line each.
func sent(e statewaytest.Effects) string {
	var lines []string
	for _, s := range e.Sent {
		lines = append(lines, s.To.String()+" "+s.Message.TypeName()+" "+string(s.Message.Bytes()))
	}
	return strings.Join(lines, "\n")
}

// told is what a delivery sends out, by topic.
func told(t *testing.T, e statewaytest.Effects) map[string][]string {
	t.Helper()
	topics := map[string][]string{}
	for _, r := range e.Egress {
		record := statewaytest.Playground(t, r)
		topics[record.Topic] = append(topics[record.Topic], record.Payload)
	}
	return topics
}

func text(t *testing.T, v any) []string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return []string{string(b)}
}

func TestAPaymentAsksCounterAndMerchantAndThenTheModel(t *testing.T) {
	count, risk := fraudCountType.Of(fraudCount{Frauds: 2}), merchantRiskType.Of(merchantRisk{Risk: 0.25})
	const asksModel = `fraud/model/Ann fraud/Features {"cents":4200,"hour":14,"online":true,"frauds":2,"merchantRisk":0.25}`
	for _, countFirst := range []bool{true, false} {
		i := transaction(t)
		const asks = "fraud/counter/Ann fraud/CountFrauds {}\nfraud/merchant/hats fraud/RateMerchant {}"
		if got := sent(i.Deliver(PaymentType.Of(hats))); got != asks {
			t.Errorf("asked\n%s\nwant\n%s", got, asks)
		}
		first := func() string { return sent(i.DeliverFrom(Counter.At("Ann"), count)) }
		second := func() string { return sent(i.DeliverFrom(Merchant.At("hats"), risk)) }
		if !countFirst {
			first, second = second, first
		}
		if got := first(); got != "" {
			t.Errorf("after one answer it asked %s", got)
		}
		if got := second(); got != asksModel {
			t.Errorf("asked\n%s\nwant\n%s", got, asksModel)
		}
	}
}

func TestTheScoreDecides(t *testing.T) {
	cases := []struct {
		score float64
		want  Decision
		alert bool
	}{
		{0.5, Decision{t1, Approved, 0.5, 2, 0.25, ""}, false},
		{0.51, Decision{t1, Declined, 0.51, 2, 0.25, ""}, true},
	}
	for _, c := range cases {
		want := map[string][]string{DecisionsTopic: text(t, c.want)}
		if c.alert {
			want[AlertsTopic] = text(t, Alert{Transaction: t1, Score: c.score, Payment: hats})
		}
		got := told(t, answered(t).DeliverFrom(Model.At("Ann"), scored(c.score)))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("score %v (-want +got):\n%s", c.score, diff)
		}
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	cases := []struct {
		payment stateway.Payload
		reason  string
	}{
		{PaymentType.Of(Payment{Merchant: "hats", Cents: 1}), "needs an account"},
		{PaymentType.Of(Payment{Account: "Ann", Cents: 1}), "needs an account"},
		{PaymentType.Of(Payment{Account: "Ann", Merchant: "hats"}), "cents must be above 0"},
		{PaymentType.Of(Payment{Account: "Ann", Merchant: "hats", Cents: 1, Hour: 24}), "hour must be"},
		{PaymentType.Of(Payment{Account: "Ann", Merchant: "hats", Cents: 1, Hour: -1}), "hour must be"},
		{stateway.RawPayload(PaymentType.Name(), []byte("?")), "invalid character"},
	}
	for _, c := range cases {
		i := transaction(t)
		e := i.Deliver(c.payment)
		records := told(t, e)[DecisionsTopic]
		if len(records) != 1 || !strings.Contains(records[0], `"refused"`) || !strings.Contains(records[0], c.reason) || len(e.Sent) > 0 {
			t.Errorf("%s: got %v, sent %q, want a refusal with %q", c.payment, records, sent(e), c.reason)
		}
		if e := i.Deliver(ConfirmFraudType.Of(ConfirmFraud{})); len(e.Sent) > 0 {
			t.Errorf("%s was refused and confirmed as a fraud: %s", c.payment, sent(e))
		}
	}
}

func TestConfirmedOnce(t *testing.T) {
	i := answered(t)
	i.DeliverFrom(Model.At("Ann"), scored(0.1))
	const tells = "fraud/counter/Ann fraud/FraudConfirmed {}\nfraud/merchant/hats fraud/FraudConfirmed {}"
	yes := ConfirmFraudType.Of(ConfirmFraud{})
	if got := sent(i.Deliver(yes, yes)) + sent(i.Deliver(yes)); got != tells {
		t.Errorf("sent\n%s\nwant\n%s", got, tells)
	}
}

// What anybody may send from outside neither decides anything nor fails.
func TestOutsidersDecideNothing(t *testing.T) {
	for name, i := range map[string]*statewaytest.Instance{"unknown": transaction(t), "waiting": answered(t)} {
		for _, m := range []stateway.Payload{scored(0), fraudCountType.Of(fraudCount{}), merchantRiskType.Of(merchantRisk{}), stateway.Text("?")} {
			before, _ := statewaytest.Get(i, current)
			e := i.Deliver(m)
			after, _ := statewaytest.Get(i, current)
			if diff := cmp.Diff(before, after); diff != "" || len(e.Sent)+len(e.Egress) > 0 {
				t.Errorf("%s: %s had an effect: %+v\n%s", name, m, e, diff)
			}
		}
	}
	if e := transaction(t).Deliver(ConfirmFraudType.Of(ConfirmFraud{})); len(e.Sent) > 0 {
		t.Errorf("a transaction that never was is confirmed: %s", sent(e))
	}
	i := answered(t)
	if e := i.Deliver(PaymentType.Of(hats)); len(e.Sent)+len(e.Egress) > 0 {
		t.Errorf("a payment that came twice began twice: %s", sent(e))
	}
}
