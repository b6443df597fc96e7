package subscription

import (
	"fmt"
	"log/slog"

	stateway "github.com/stateway/stateway/lambda-sdk"
)

// collection is the state of a Payment: the invoice that is being collected. There is none between two invoices.
type collection struct {
	Invoice   int64  `json:"invoice"`
	Cents     int64  `json:"cents"`
	Card      string `json:"card"`
	Try       int64  `json:"try"`                 // the last one
	Ordered   bool   `json:"ordered"`             // whether that one is on its way to the provider
	Withdrawn bool   `json:"withdrawn,omitempty"` // while it was: it is the last one, whatever comes of it
}

var open = stateway.Value[collection]("open")

// nextTry names the delayed message of the next try. An invoice has at most one.
const nextTry = "next-try"

// payment is the code of the function Payment.
type payment struct {
	settings Settings
	provider *Provider
}

func (p payment) handle(ctx *stateway.Context, msg stateway.Message) error {
	c, found, err := open.Lookup(ctx)
	if err != nil {
		return err
	}
	switch {
	case collectType.Is(msg):
		wanted, err := collectType.Read(msg)
		if err != nil {
			return err
		}
		order(ctx, collection{Invoice: wanted.Invoice, Cents: wanted.Cents, Card: wanted.Card})
		return nil
	case ChargeType.Is(msg):
		return p.charge(ctx, c, msg)
	case retryType.Is(msg):
		next, err := retryType.Read(msg)
		if err == nil && found && !c.Ordered && c.Invoice == next.Invoice && c.Try+1 == next.Try {
			order(ctx, c)
		}
		return err
	case withdrawType.Is(msg):
		wanted, err := withdrawType.Read(msg)
		if err == nil && found && c.Invoice == wanted.Invoice {
			giveUp(ctx, c)
		}
		return err
	}
	return fmt.Errorf("payment of %s: unknown message type %s", ctx.Self().ID, msg.TypeName())
}

// order sends a try to the provider, by way of a stream that comes back to this function. It takes that way because nobody can take a
// payment back: what a function does when it is invoked may be forgotten when the node dies, and something else happen in its
// place. What comes from the stream was committed, and happens again.
func order(ctx *stateway.Context, c collection) {
	c.Try, c.Ordered = c.Try+1, true
	open.Set(ctx, c)
	id := ctx.Self().ID
	charge := Charge{Key: Key(id, c.Invoice, c.Try), Card: c.Card, Cents: c.Cents}
	ctx.Egress(Charges, stateway.KinesisRecord(ChargesStream, id, ChargeType.Of(charge)))
}

// charge asks the provider and tells the user. It may be called twice for one try, if the node dies in between: the provider knows the key.
func (p payment) charge(ctx *stateway.Context, c collection, msg stateway.Message) error {
	charge, err := ChargeType.Read(msg)
	if err != nil || !c.Ordered || charge.Key != Key(ctx.Self().ID, c.Invoice, c.Try) {
		slog.Warn("charge ignored: it was not ordered", "user", ctx.Self().ID, "key", charge.Key, "error", err)
		return nil
	}
	answer := p.provider.Charge(charge)
	told := settlement{Invoice: c.Invoice, Outcome: paid, Cents: answer.Cents, Try: c.Try, Reason: answer.Reason}
	if answer.Reason == "" {
		settle(ctx, told)
		return nil
	}
	if told.Outcome = failed; c.Try >= p.settings.Tries {
		settle(ctx, told)
		return nil
	}
	told.Outcome = declined
	tellUser(ctx, told)
	if c.Ordered = false; c.Withdrawn {
		giveUp(ctx, c)
		return nil
	}
	open.Set(ctx, c)
	ctx.SendAfterWithToken(p.settings.RetryAfter, nextTry, ctx.Self(), retryType.Of(retry{Invoice: c.Invoice, Try: c.Try + 1}))
	return nil
}

// giveUp withdraws an invoice: at once, or after the try that is on its way.
func giveUp(ctx *stateway.Context, c collection) {
	if c.Ordered {
		c.Withdrawn = true
		open.Set(ctx, c)
		return
	}
	ctx.Cancel(nextTry)
	settle(ctx, settlement{Invoice: c.Invoice, Outcome: withdrawn, Try: c.Try})
}

// settle is the end of an invoice.
func settle(ctx *stateway.Context, s settlement) {
	open.Clear(ctx)
	tellUser(ctx, s)
}

func tellUser(ctx *stateway.Context, s settlement) {
	ctx.Send(User.At(ctx.Self().ID), settlementType.Of(s))
}
