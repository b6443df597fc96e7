package shop

import (
	"fmt"
	"log/slog"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
)

// DefaultExpiry is how long a cart waits for its customer unless New is told otherwise.
const DefaultExpiry = 30 * time.Minute

var state = stateway.Value[customer]("customer")

// expiryToken names the delayed message that empties the open cart. A customer has at most one.
const expiryToken = "expiry"

// cart is the code of the function Cart.
type cart struct {
	expiry time.Duration
}

// New returns the functions of the shop, ready to be served. A cart that got nothing new for expiry is emptied; zero means
// DefaultExpiry.
func New(expiry time.Duration) *stateway.App {
	if expiry == 0 {
		expiry = DefaultExpiry
	}
	app := stateway.New()
	app.Function(Cart, cart{expiry}.handle, state)
	app.Function(Stock, stock, available)
	return app
}

func (c cart) handle(ctx *stateway.Context, msg stateway.Message) error {
	switch {
	case AddToCartType.Is(msg):
		return c.add(ctx, msg)
	case itemAvailabilityType.Is(msg):
		return c.answered(ctx, msg)
	case CheckoutType.Is(msg):
		return c.checkout(ctx)
	case ClearCartType.Is(msg):
		return c.clear(ctx)
	case expireCartType.Is(msg):
		return c.expire(ctx, msg)
	}
	return fmt.Errorf("cart of %s: unknown message type %s", ctx.Self().ID, msg.TypeName())
}

// add asks the stock. Its answer comes as a message.
func (c cart) add(ctx *stateway.Context, msg stateway.Message) error {
	wanted, err := AddToCartType.Read(msg)
	if err != nil {
		return err
	}
	if wanted.ItemID == "" || wanted.Quantity <= 0 {
		slog.Warn("not added: no item or no quantity", "user", ctx.Self().ID, "item", wanted.ItemID, "quantity", wanted.Quantity)
		return nil
	}
	who, err := state.Get(ctx)
	if err != nil {
		return err
	}
	who.Open.Pending++
	state.Set(ctx, who)
	ctx.Send(Stock.At(wanted.ItemID), requestItemType.Of(requestItem{Order: who.Orders, Quantity: wanted.Quantity}))
	return nil
}

// answered puts what the stock has set aside into the cart that asked for it.
func (c cart) answered(ctx *stateway.Context, msg stateway.Message) error {
	answer, err := itemAvailabilityType.Read(msg)
	if err != nil {
		return err
	}
	item, ok := ctx.Caller()
	if !ok {
		slog.Warn("answer ignored: it came from outside, not from the stock", "user", ctx.Self().ID)
		return nil
	}
	who, err := state.Get(ctx)
	if err != nil {
		return err
	}
	if answer.Order == who.Orders {
		who.Open = who.Open.with(item.ID, answer)
		state.Set(ctx, who)
		c.putOffExpiry(ctx, who)
		return nil
	}
	paid, found := who.CheckedOut[answer.Order]
	if !found { // the cart was cleared or expired before the answer came
		giveBack(ctx, map[string]int64{item.ID: answer.quantity()})
		return nil
	}
	who.settle(ctx, answer.Order, paid.with(item.ID, answer))
	state.Set(ctx, who)
	return nil
}

// putOffExpiry replaces the delayed message. The cancellation comes first, because a token names one message at a time.
func (c cart) putOffExpiry(ctx *stateway.Context, who customer) {
	ctx.Cancel(expiryToken)
	ctx.SendAfterWithToken(c.expiry, expiryToken, ctx.Self(), expireCartType.Of(expireCart{Order: who.Orders}))
}

// checkout opens a new cart and settles the old one: at once, or with the last answer of the stock.
func (c cart) checkout(ctx *stateway.Context) error {
	who, err := state.Get(ctx)
	if err != nil {
		return err
	}
	ctx.Cancel(expiryToken)
	number, paid := who.Orders, who.Open
	who.open()
	who.settle(ctx, number, paid)
	state.Set(ctx, who)
	return nil
}

func (c cart) clear(ctx *stateway.Context) error {
	who, err := state.Get(ctx)
	if err != nil {
		return err
	}
	ctx.Cancel(expiryToken)
	giveBack(ctx, who.Open.Items)
	who.open()
	state.Set(ctx, who)
	return nil
}

// expire empties the cart, unless it is another one than was waited for: a delayed message that is on its way already arrives in spite
// of its cancellation.
func (c cart) expire(ctx *stateway.Context, msg stateway.Message) error {
	due, err := expireCartType.Read(msg)
	if err != nil {
		return err
	}
	who, err := state.Get(ctx)
	if err != nil {
		return err
	}
	if due.Order != who.Orders {
		return nil
	}
	return c.clear(ctx)
}
