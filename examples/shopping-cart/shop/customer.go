package shop

import (
	"encoding/json"
	"maps"
	"slices"

	stateway "github.com/stateway/stateway/lambda-sdk"
)

// customer is the state of a Cart: one cart that is open, and those that are checked out but wait for answers of the stock.
type customer struct {
	Orders     int64            `json:"orders"` // how many carts were closed, which is the open one's number
	Open       basket           `json:"open"`
	CheckedOut map[int64]basket `json:"checkedOut,omitempty"` // by number
}

// basket is what is in one cart.
type basket struct {
	Items   map[string]int64 `json:"items,omitempty"`   // set aside in the stock
	Pending int              `json:"pending,omitempty"` // answers of the stock still to come
}

// with returns the basket after an answer of the stock.
func (b basket) with(item string, answer itemAvailability) basket {
	b.Pending--
	if answer.InStock {
		if b.Items == nil {
			b.Items = map[string]int64{}
		}
		b.Items[item] += answer.Quantity
	}
	return b
}

// open closes the open basket and opens an empty one.
func (c *customer) open() {
	c.Orders++
	c.Open = basket{}
}

// settle sends the receipt of a cart that is checked out, or keeps the cart while answers are still to come.
func (c *customer) settle(ctx *stateway.Context, number int64, paid basket) {
	if paid.Pending > 0 {
		if c.CheckedOut == nil {
			c.CheckedOut = map[int64]basket{}
		}
		c.CheckedOut[number] = paid
		return
	}
	delete(c.CheckedOut, number)
	if paid.Items == nil {
		paid.Items = map[string]int64{}
	}
	sendReceipt(ctx, Receipt{UserID: ctx.Self().ID, Order: number + 1, Items: paid.Items})
}

func sendReceipt(ctx *stateway.Context, r Receipt) {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	ctx.Egress(stateway.PlaygroundEgress, stateway.PlaygroundRecord(Topic, string(text)))
}

// giveBack returns items to the stock.
func giveBack(ctx *stateway.Context, items map[string]int64) {
	for _, id := range slices.Sorted(maps.Keys(items)) {
		if items[id] > 0 {
			ctx.Send(Stock.At(id), RestockItemType.Of(RestockItem{ItemID: id, Quantity: items[id]}))
		}
	}
}
