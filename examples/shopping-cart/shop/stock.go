package shop

import (
	"fmt"
	"log/slog"

	stateway "github.com/stateway/stateway/lambda-sdk"
)

// available is how many items of a kind are neither sold nor in a cart.
var available = stateway.Value[int64]("available")

func stock(ctx *stateway.Context, msg stateway.Message) error {
	switch {
	case RestockItemType.Is(msg):
		return restock(ctx, msg)
	case requestItemType.Is(msg):
		return setAside(ctx, msg)
	}
	return fmt.Errorf("stock %s: unknown message type %s", ctx.Self().ID, msg.TypeName())
}

func restock(ctx *stateway.Context, msg stateway.Message) error {
	delivery, err := RestockItemType.Read(msg)
	if err != nil {
		return err
	}
	if delivery.Quantity <= 0 {
		slog.Warn("restock ignored: not a quantity", "item", ctx.Self().ID, "quantity", delivery.Quantity)
		return nil
	}
	have, err := available.Get(ctx)
	if err != nil {
		return err
	}
	available.Set(ctx, have+delivery.Quantity)
	return nil
}

// setAside answers the cart that asks.
func setAside(ctx *stateway.Context, msg stateway.Message) error {
	wanted, err := requestItemType.Read(msg)
	if err != nil {
		return err
	}
	cart, ok := ctx.Caller()
	if !ok {
		slog.Warn("request ignored: it came from outside, not from a cart", "item", ctx.Self().ID)
		return nil
	}
	have, err := available.Get(ctx)
	if err != nil {
		return err
	}
	answer := itemAvailability{Order: wanted.Order, Quantity: wanted.Quantity, InStock: 0 < wanted.Quantity && wanted.Quantity <= have}
	if answer.InStock {
		available.Set(ctx, have-wanted.Quantity)
	}
	ctx.Send(cart, itemAvailabilityType.Of(answer))
	return nil
}
