package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stateway/stateway/examples/shopping-cart/shop"
	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/test/harness"
)

var items = []string{"hat", "mug", "scarf", "socks"}

// abandoned are customers who fill a cart and leave.
var abandoned = []string{"Yuri", "Zoe"}

// send puts one message in until it is taken. The event's name makes a repeat count once.
func send[T any](ctx context.Context, w *world, to stateway.Address, typ stateway.Type[T], event string, v T) (tries int, err error) {
	body, err := json.Marshal(v)
	if err != nil {
		return 0, err
	}
	m := harness.Message{Function: string(to.Type), ID: to.ID, Type: typ.Name(), Body: body, Source: "demo", EventID: event}
	for tries = 1; ; tries++ {
		err = w.Ingress.Put(ctx, m)
		var refused *harness.StatusError
		if err == nil || errors.As(err, &refused) && refused.Code < http.StatusInternalServerError {
			return tries, err
		}
		select {
		case <-ctx.Done():
			return tries, fmt.Errorf("%s: %w, last answer: %w", event, ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// fillStock restocks enough of each item that most orders find what they want.
func (w *world) fillStock(ctx context.Context, o options) error {
	for _, item := range items {
		quantity := int64(o.orders) + 100
		_, err := send(ctx, w, shop.Stock.At(item), shop.RestockItemType, "restock-"+item, shop.RestockItem{ItemID: item, Quantity: quantity})
		if err != nil {
			return err
		}
		w.restocked[item] = quantity
	}
	w.say("restocked %d each of %d items", w.restocked[items[0]], len(items))
	return nil
}

func (w *world) abandonCarts(ctx context.Context) error {
	for _, user := range abandoned {
		for _, item := range items {
			wanted := shop.AddToCart{UserID: user, ItemID: item, Quantity: 10}
			if _, err := send(ctx, w, shop.Cart.At(user), shop.AddToCartType, user+"-"+item, wanted); err != nil {
				return err
			}
		}
	}
	w.say("%s and %s fill their carts and leave; a delayed message will empty them", abandoned[0], abandoned[1])
	return nil
}

// crowd is the customers at work.
type crowd struct {
	world   *world
	options options

	begun    atomic.Int64 // orders
	finished atomic.Int64 // orders
	underWay atomic.Int64 // requests
	repeated atomic.Int64 // requests
	expected sync.Map     // what a receipt must hold, map[string]int64, by its name
}

// start lets all customers order until all orders are in. The channel gets their errors, or nil.
func (c *crowd) start(ctx context.Context) <-chan error {
	var wg sync.WaitGroup
	errs := make([]error, c.options.customers)
	for i := range errs {
		wg.Go(func() { errs[i] = c.shop(ctx, fmt.Sprintf("customer-%02d", i+1)) })
	}
	result := make(chan error, 1)
	go func() {
		wg.Wait()
		c.world.ordered = int(c.finished.Load())
		result <- errors.Join(errs...)
	}()
	return result
}

// shop is one customer: a few items, checkout, and again. After an order that took so long that its cart may have expired, with good
// reason, it is no longer known which number the next one has.
func (c *crowd) shop(ctx context.Context, user string) error {
	swift := true
	for own := 1; ; own++ {
		order := int(c.begun.Add(1))
		if order > c.options.orders {
			return nil
		}
		began := time.Now()
		bought, err := c.order(ctx, user, order)
		if err != nil {
			return err
		}
		c.finished.Add(1)
		if swift = swift && time.Since(began) < c.options.expiry; swift {
			c.expected.Store(receiptName(user, int64(own)), bought)
		}
	}
}

// order is one cart, from the first item to the checkout. It returns what the receipt must hold.
func (c *crowd) order(ctx context.Context, user string, order int) (map[string]int64, error) {
	cart, bought := shop.Cart.At(user), map[string]int64{}
	for n := range 1 + order%3 {
		wanted := shop.AddToCart{UserID: user, ItemID: items[(order+n)%len(items)], Quantity: int64(1 + (order/4+n)%2)}
		if err := ask(ctx, c, cart, shop.AddToCartType, fmt.Sprintf("order-%d-item-%d", order, n), wanted); err != nil {
			return nil, err
		}
		bought[wanted.ItemID] += wanted.Quantity
	}
	return bought, ask(ctx, c, cart, shop.CheckoutType, fmt.Sprintf("order-%d-checkout", order), shop.Checkout{UserID: user})
}

// receiptName names the receipt of a customer's order, counted from 1.
func receiptName(user string, order int64) string { return fmt.Sprintf("%s, order %d", user, order) }

func ask[T any](ctx context.Context, c *crowd, to stateway.Address, typ stateway.Type[T], event string, v T) error {
	c.underWay.Add(1)
	defer c.underWay.Add(-1)
	tries, err := send(ctx, c.world, to, typ, event, v)
	c.repeated.Add(int64(tries - 1))
	return err
}

// await waits until n orders are in.
func (c *crowd) await(ctx context.Context, n int) error {
	node := c.world.Node
	for c.finished.Load() < int64(n) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("only %d of %d orders are in: %w\n%s", c.finished.Load(), n, ctx.Err(), node.Output())
		case <-node.Ended():
			return fmt.Errorf("the node ended by itself: %w", node.Err())
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}
