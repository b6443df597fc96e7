package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stateway/stateway/examples/shopping-cart/shop"
	"github.com/stateway/stateway/runtime/core"
)

// books is what came out.
type books struct {
	receipts int
	first    string
	seen     map[string]int              // how often each receipt came, by its name
	held     map[string]map[string]int64 // what it held
	sold     map[string]int64            // by item
}

// audit takes the receipts out, waits until the abandoned carts are emptied, and compares.
func audit(ctx context.Context, w *world, c *crowd) error {
	b := &books{seen: map[string]int{}, held: map[string]map[string]int64{}, sold: map[string]int64{}}
	if err := b.take(ctx, w, w.ordered); err != nil {
		return err
	}
	w.say("took %d receipts out, the first: %s", b.receipts, b.first)
	left, err := awaitStock(ctx, w, b)
	if err != nil {
		return err
	}
	w.say("the abandoned carts have expired; their items are in stock again")
	if err := b.takeRest(ctx, w); err != nil {
		return err
	}
	if err := w.stopNode(); err != nil {
		return err
	}
	return b.compare(w, c, left)
}

// take takes receipts until there are n.
func (b *books) take(ctx context.Context, w *world, n int) error {
	for b.receipts < n {
		more, err := b.takeOne(ctx, w)
		if err != nil {
			return err
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d receipts came: %w", b.receipts, n, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// takeRest takes whatever else there is: every receipt in it is one too many.
func (b *books) takeRest(ctx context.Context, w *world) error {
	for {
		more, err := b.takeOne(ctx, w)
		if err != nil || !more {
			return err
		}
	}
}

func (b *books) takeOne(ctx context.Context, w *world) (bool, error) {
	text, ok, err := w.Egress.Take(ctx, shop.Topic)
	if err != nil || !ok {
		return false, err
	}
	var r shop.Receipt
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return false, fmt.Errorf("read receipt %q: %w", text, err)
	}
	if b.receipts == 0 {
		b.first = text
	}
	b.receipts++
	name := receiptName(r.UserID, r.Order)
	b.seen[name]++
	b.held[name] = r.Items
	for item, quantity := range r.Items {
		b.sold[item] += quantity
	}
	return true, nil
}

// awaitStock reads the stock from the node, as `stateway state get` does, until nothing is in a cart any more. What it read last
// is returned also when that never happens: the comparison tells.
func awaitStock(ctx context.Context, w *world, b *books) (map[string]int64, error) {
	const patience = 20 * time.Second
	for began := time.Now(); ; {
		left, err := stock(ctx, w)
		if err != nil {
			return nil, err
		}
		if b.addsUp(w, left) || time.Since(began) > patience {
			return left, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the abandoned carts to expire: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func stock(ctx context.Context, w *world) (map[string]int64, error) {
	left := map[string]int64{}
	for _, item := range items {
		got, err := w.Admin.State(ctx, core.Address{Type: core.FunctionType(shop.Stock), ID: item}, "available")
		if err != nil {
			return nil, fmt.Errorf("read the stock of %s: %w", item, err)
		}
		var n int64
		if err := json.Unmarshal(got.States[0].Value, &n); err != nil {
			return nil, fmt.Errorf("read the stock of %s: %w", item, err)
		}
		left[item] = n
	}
	return left, nil
}

func (b *books) addsUp(w *world, left map[string]int64) bool {
	for _, item := range items {
		if w.restocked[item] != b.sold[item]+left[item] {
			return false
		}
	}
	return true
}

// compare prints the books. It returns an error unless everything is as it must be.
func (b *books) compare(w *world, c *crowd, left map[string]int64) error {
	fmt.Printf("\n         %-8s %10s   %13s   %8s\n", "item", "restocked", "on receipts", "in stock")
	var total int64
	for _, item := range items {
		sign := "="
		if w.restocked[item] != b.sold[item]+left[item] {
			sign = "≠"
		}
		fmt.Printf("         %-8s %10d %s %13d + %8d\n", item, w.restocked[item], sign, b.sold[item], left[item])
		total += w.restocked[item]
	}
	wrong := b.wrongReceipts(c)
	if len(b.seen) != w.ordered {
		wrong = append(wrong, fmt.Sprintf("%d checkouts led to %d different receipts", w.ordered, len(b.seen)))
	}
	if !b.addsUp(w, left) {
		wrong = append(wrong, "the stock does not add up")
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "\n        "))
	}
	fmt.Printf("\nOK: %d orders, %d receipts, each exactly once; all %d items add up.\n", w.ordered, b.receipts, total)
	return nil
}

// wrongReceipts names receipts that came more than once, and those that do not hold what was ordered.
func (b *books) wrongReceipts(c *crowd) []string {
	var wrong []string
	for name, times := range b.seen {
		if times > 1 {
			wrong = append(wrong, fmt.Sprintf("the receipt of %s came %d times", name, times))
		}
		expected, ok := c.expected.Load(name)
		if want, _ := expected.(map[string]int64); ok && !maps.Equal(want, b.held[name]) {
			wrong = append(wrong, fmt.Sprintf("the receipt of %s holds %v, but %v was ordered", name, b.held[name], want))
		}
	}
	slices.Sort(wrong)
	return wrong
}
