package shop

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/lambda-sdk/statewaytest"
)

const socks = "socks"

func kim(t *testing.T) *statewaytest.Instance {
	return statewaytest.New(t, New(time.Minute), Cart.At("Kim"))
}

func add(quantity int64) stateway.Payload {
	return AddToCartType.Of(AddToCart{UserID: "Kim", ItemID: socks, Quantity: quantity})
}

func answer(order, quantity int64, inStock bool) stateway.Payload {
	return itemAvailabilityType.Of(itemAvailability{Order: order, Quantity: quantity, InStock: inStock})
}

func checkout() stateway.Payload { return CheckoutType.Of(Checkout{UserID: "Kim"}) }

func receipts(t *testing.T, e statewaytest.Effects) []Receipt {
	t.Helper()
	var list []Receipt
	for _, record := range e.Egress {
		var r Receipt
		if err := json.Unmarshal([]byte(statewaytest.Playground(t, record).Payload), &r); err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

// restocked returns what a function gave back to the stock.
func restocked(i *statewaytest.Instance, e statewaytest.Effects) map[string]int64 {
	items := map[string]int64{}
	for _, sent := range e.Sent {
		items[sent.To.ID] += statewaytest.Read(i, RestockItemType, sent.Message).Quantity
	}
	return items
}

func TestStockAnswersTheCartThatAsks(t *testing.T) {
	cases := []struct {
		name     string
		quantity int64
		inStock  bool
		left     int64
	}{
		{"fewer than there are", 3, true, 7},
		{"all", 10, true, 0},
		{"more than there are", 11, false, 10},
		{"none", 0, false, 10},
		{"fewer than none", -1, false, 10},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			stock := statewaytest.New(t, New(0), Stock.At(socks))
			stock.Deliver(RestockItemType.Of(RestockItem{ItemID: socks, Quantity: 10}))
			effects := stock.DeliverFrom(Cart.At("Kim"), requestItemType.Of(requestItem{Order: 5, Quantity: c.quantity}))
			if len(effects.Sent) != 1 || effects.Sent[0].To != Cart.At("Kim") {
				t.Fatalf("sent %v, want one answer to the cart", effects.Sent)
			}
			got := statewaytest.Read(stock, itemAvailabilityType, effects.Sent[0].Message)
			if want := (itemAvailability{Order: 5, Quantity: c.quantity, InStock: c.inStock}); got != want {
				t.Errorf("answered %+v, want %+v", got, want)
			}
			if left, _ := statewaytest.Get(stock, available); left != c.left {
				t.Errorf("%d left, want %d", left, c.left)
			}
		})
	}
}

func TestCheckoutSendsAReceiptAndCancelsTheExpiry(t *testing.T) {
	kim := kim(t)
	asked := kim.Deliver(add(3))
	if got := statewaytest.Read(kim, requestItemType, asked.Sent[0].Message); got != (requestItem{Order: 0, Quantity: 3}) {
		t.Errorf("asked for %+v", got)
	}
	filled := kim.DeliverFrom(Stock.At(socks), answer(0, 3, true))
	if len(filled.Delayed) != 1 || filled.Delayed[0].Token != expiryToken || filled.Delayed[0].After != time.Minute {
		t.Errorf("delayed %+v, want an expiry in a minute", filled.Delayed)
	}
	done := kim.Deliver(checkout())
	want := []Receipt{{UserID: "Kim", Order: 1, Items: map[string]int64{socks: 3}}}
	if diff := cmp.Diff(want, receipts(t, done)); diff != "" {
		t.Errorf("receipts (-want +got):\n%s", diff)
	}
	if !slices.Equal(done.Cancelled, []string{expiryToken}) {
		t.Errorf("cancelled %q, want the expiry", done.Cancelled)
	}
	if got, _ := statewaytest.Get(kim, state); got.Orders != 1 || got.Open.Items != nil {
		t.Errorf("left %+v, want an empty second cart", got)
	}
}

func TestAReceiptWaitsForTheStock(t *testing.T) {
	kim := kim(t)
	early := kim.Deliver(add(3), add(100), checkout(), add(1))
	if got := receipts(t, early); got != nil {
		t.Errorf("receipts %v before the stock answered", got)
	}
	if got := receipts(t, kim.DeliverFrom(Stock.At(socks), answer(0, 3, true))); got != nil {
		t.Errorf("receipts %v before the last answer", got)
	}
	late := kim.DeliverFrom(Stock.At(socks), answer(0, 100, false), answer(1, 1, true))
	want := []Receipt{{UserID: "Kim", Order: 1, Items: map[string]int64{socks: 3}}}
	if diff := cmp.Diff(want, receipts(t, late)); diff != "" {
		t.Errorf("receipts (-want +got):\n%s", diff)
	}
	left, _ := statewaytest.Get(kim, state)
	if diff := cmp.Diff(customer{Orders: 1, Open: basket{Items: map[string]int64{socks: 1}}}, left); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}

func TestWhatIsGivenUpGoesBackToTheStock(t *testing.T) {
	for name, end := range map[string]stateway.Payload{
		"cleared": ClearCartType.Of(ClearCart{UserID: "Kim"}),
		"expired": expireCartType.Of(expireCart{Order: 0}),
	} {
		t.Run(name, func(t *testing.T) {
			kim := kim(t)
			kim.Deliver(add(3), add(2))
			kim.DeliverFrom(Stock.At(socks), answer(0, 3, true))
			if got := restocked(kim, kim.Deliver(end)); got[socks] != 3 {
				t.Errorf("gave back %v, want the 3 in the cart", got)
			}
			if got := restocked(kim, kim.DeliverFrom(Stock.At(socks), answer(0, 2, true))); got[socks] != 2 {
				t.Errorf("gave back %v, want the 2 that came too late", got)
			}
			if got := kim.DeliverFrom(Stock.At(socks), answer(0, 9, false)); len(got.Sent) != 0 {
				t.Errorf("gave back %v, although nothing was set aside", got.Sent)
			}
		})
	}
}

func TestALateExpiryLeavesTheNextCartAlone(t *testing.T) {
	kim := kim(t)
	kim.Deliver(add(1), checkout(), add(2))
	kim.DeliverFrom(Stock.At(socks), answer(0, 1, true), answer(1, 2, true))
	if got := kim.Deliver(expireCartType.Of(expireCart{Order: 0})); len(got.Sent) != 0 {
		t.Errorf("gave back %v of the wrong cart", got.Sent)
	}
}

func TestNonsenseIsDropped(t *testing.T) {
	kim := kim(t)
	effects := kim.Deliver(add(0), add(-1), AddToCartType.Of(AddToCart{Quantity: 1}), answer(0, 5, true))
	if len(effects.Sent) != 0 {
		t.Errorf("sent %v", effects.Sent)
	}
	if err := kim.DeliverError(stateway.Bool.Of(true)); err == nil {
		t.Error("a message of an unknown type was taken")
	}
}
