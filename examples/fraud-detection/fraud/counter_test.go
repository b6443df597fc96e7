package fraud

import (
	"math"
	"testing"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/lambda-sdk/statewaytest"
)

func asks(t *testing.T, i *statewaytest.Instance) int64 {
	t.Helper()
	e := i.DeliverFrom(Transaction.At(t1), countFraudsType.Of(countFrauds{}))
	if len(e.Sent) != 1 || e.Sent[0].To != Transaction.At(t1) {
		t.Fatalf("sent %q, want one answer to the transaction", sent(e))
	}
	return statewaytest.Read(i, fraudCountType, e.Sent[0].Message).Frauds
}

func TestAFraudCountsForAWindow(t *testing.T) {
	ann := statewaytest.New(t, NewScores(0), Counter.At("Ann"))
	confirmed, forget := fraudConfirmedType.Of(fraudConfirmed{}), forgetFraudType.Of(forgetFraud{})
	if n := asks(t, ann); n != 0 {
		t.Errorf("%d frauds at first", n)
	}
	e := ann.DeliverFrom(Transaction.At(t1), confirmed, confirmed)
	if len(e.Delayed) != 2 {
		t.Fatalf("%d delayed messages, want one for each fraud", len(e.Delayed))
	}
	for _, d := range e.Delayed {
		if d.To != Counter.At("Ann") || d.After != 30*24*time.Hour || d.Message.TypeName() != forgetFraudType.Name() {
			t.Errorf("delayed %+v, want a message to itself in 30 days", d)
		}
	}
	for want := int64(2); want >= 0; want-- {
		if n := asks(t, ann); n != want {
			t.Errorf("%d frauds, want %d", n, want)
		}
		if h, _ := statewaytest.Get(ann, frauds); h.Total != 2 {
			t.Errorf("%d frauds in all, want 2", h.Total)
		}
		if want > 0 {
			ann.DeliverFrom(Counter.At("Ann"), forget)
		}
	}
}

func TestTheWindowCanBeShorter(t *testing.T) {
	ann := statewaytest.New(t, NewScores(2*time.Second), Counter.At("Ann"))
	e := ann.DeliverFrom(Transaction.At(t1), fraudConfirmedType.Of(fraudConfirmed{}))
	if len(e.Delayed) != 1 || e.Delayed[0].After != 2*time.Second {
		t.Errorf("delayed %+v, want a message in two seconds", e.Delayed)
	}
}

func TestRiskOfAMerchant(t *testing.T) {
	rating := func(risk float64) stateway.Payload { return RatingType.Of(Rating{Risk: risk}) }
	cases := []struct {
		rule    string
		ratings []stateway.Payload
		frauds  int
		want    float64
	}{
		{"nobody has said anything", nil, 0, 0.2},
		{"as it is rated", []stateway.Payload{rating(0.4)}, 0, 0.4},
		{"the last rating counts", []stateway.Payload{rating(0.4), rating(0)}, 0, 0},
		{"what makes no sense is ignored", []stateway.Payload{rating(0.3), rating(1.5), rating(-1), stateway.RawPayload(RatingType.Name(), []byte("?"))}, 0, 0.3},
		{"each fraud makes it worse", []stateway.Payload{rating(0.5)}, 2, 0.595},
		{"a fraud before the rating, too", nil, 1, 0.28},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			hats := statewaytest.New(t, NewScores(0), Merchant.At("hats"))
			for range c.frauds {
				hats.DeliverFrom(Transaction.At(t1), fraudConfirmedType.Of(fraudConfirmed{}))
			}
			for _, r := range c.ratings {
				hats.Deliver(r)
			}
			e := hats.DeliverFrom(Transaction.At(t1), rateMerchantType.Of(rateMerchant{}))
			if len(e.Sent) != 1 || e.Sent[0].To != Transaction.At(t1) {
				t.Fatalf("sent %q, want one answer to the transaction", sent(e))
			}
			if got := statewaytest.Read(hats, merchantRiskType, e.Sent[0].Message).Risk; math.Abs(got-c.want) > 1e-12 {
				t.Errorf("got risk %v, want %v", got, c.want)
			}
		})
	}
}

func TestOutsidersConfirmNothing(t *testing.T) {
	for _, at := range []stateway.Address{Counter.At("Ann"), Merchant.At("hats")} {
		i := statewaytest.New(t, NewScores(0), at)
		e := i.Deliver(fraudConfirmedType.Of(fraudConfirmed{}), countFraudsType.Of(countFrauds{}), forgetFraudType.Of(forgetFraud{}))
		if len(e.Sent)+len(e.Delayed) > 0 {
			t.Errorf("%s: had an effect: %+v", at, e)
		}
		if err := i.DeliverErrorFrom(Transaction.At(t1), stateway.Text("?")); err == nil {
			t.Errorf("%s takes what it does not know", at)
		}
	}
}
