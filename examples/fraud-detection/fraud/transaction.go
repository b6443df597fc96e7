package fraud

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
)

// DefaultAlertAbove is the score above which a transaction is declined unless NewManager is told otherwise.
const DefaultAlertAbove = 0.5

// progress is the state of a Transaction.
type progress struct {
	Payment   Payment  `json:"payment"`
	Frauds    *int64   `json:"frauds,omitempty"` // nil until the Counter has answered
	Risk      *float64 `json:"risk,omitempty"`   // nil until the Merchant has answered
	Outcome   string   `json:"outcome,omitempty"`
	Confirmed bool     `json:"confirmed,omitempty"` // as a fraud
}

// A transaction can be confirmed as a fraud for so long; then it is forgotten, and nobody has to clear it away.
var current = stateway.Value[progress]("transaction", stateway.ExpireAfterWrite(120*24*time.Hour))

// manager is the code of the function Transaction.
type manager struct {
	alertAbove float64
}

// NewManager returns the transaction manager, ready to be served. It alerts when a score is above alertAbove; zero means
// DefaultAlertAbove.
func NewManager(alertAbove float64) *stateway.App {
	if alertAbove == 0 {
		alertAbove = DefaultAlertAbove
	}
	app := stateway.New()
	app.Function(Transaction, manager{alertAbove}.handle, current)
	return app
}

func (m manager) handle(ctx *stateway.Context, msg stateway.Message) error {
	p, begun, err := current.Lookup(ctx)
	if err != nil {
		return err
	}
	if PaymentType.Is(msg) {
		begin(ctx, msg, begun)
		return nil
	}
	if !begun {
		slog.Warn("ignored: no such transaction", "transaction", ctx.Self().ID, "message", msg.TypeName())
		return nil
	}
	caller, _ := ctx.Caller()
	switch {
	case fraudCountType.Is(msg) && caller.Type == Counter:
		return counted(ctx, msg, p)
	case merchantRiskType.Is(msg) && caller.Type == Merchant:
		return rated(ctx, msg, p)
	case scoreType.Is(msg) && caller.Type == Model:
		return m.decide(ctx, msg, p)
	case ConfirmFraudType.Is(msg):
		confirm(ctx, p)
		return nil
	}
	// An error would hold the transaction up until somebody looks: what anybody can send from outside must not do that.
	slog.Warn("ignored: unexpected", "transaction", ctx.Self().ID, "message", msg.TypeName(), "from", caller)
	return nil
}

// begin asks counter and merchant. Their answers come as messages, in any order. A payment that came before is not begun again. It never
// fails: whoever sends nonsense gets an answer too.
func begin(ctx *stateway.Context, msg stateway.Message, begun bool) {
	if begun {
		return
	}
	p, err := PaymentType.Read(msg)
	if err == nil {
		err = p.check()
	}
	if err != nil {
		current.Set(ctx, progress{Payment: p, Outcome: Refused})
		send(ctx, DecisionsTopic, Decision{Transaction: ctx.Self().ID, Outcome: Refused, Reason: err.Error()})
		return
	}
	current.Set(ctx, progress{Payment: p})
	ctx.Send(Counter.At(p.Account), countFraudsType.Of(countFrauds{}))
	ctx.Send(Merchant.At(p.Merchant), rateMerchantType.Of(rateMerchant{}))
}

func (p Payment) check() error {
	switch {
	case p.Account == "" || p.Merchant == "":
		return errors.New("a payment needs an account and a merchant")
	case p.Cents <= 0:
		return fmt.Errorf("cents must be above 0, not %d", p.Cents)
	case p.Hour < 0 || p.Hour > 23:
		return fmt.Errorf("hour must be from 0 to 23, not %d", p.Hour)
	}
	return nil
}

func counted(ctx *stateway.Context, msg stateway.Message, p progress) error {
	answer, err := fraudCountType.Read(msg)
	if err != nil {
		return err
	}
	p.Frauds = &answer.Frauds
	askModel(ctx, p)
	return nil
}

func rated(ctx *stateway.Context, msg stateway.Message, p progress) error {
	answer, err := merchantRiskType.Read(msg)
	if err != nil {
		return err
	}
	p.Risk = &answer.Risk
	askModel(ctx, p)
	return nil
}

// askModel asks as soon as both answers are there. The model keeps nothing, so any id would do: with the account's, what the same account
// buys at the same time may travel in one request.
func askModel(ctx *stateway.Context, p progress) {
	current.Set(ctx, p)
	if p.Frauds == nil || p.Risk == nil {
		return
	}
	ctx.Send(Model.At(p.Payment.Account), featuresType.Of(features{
		Cents: p.Payment.Cents, Hour: p.Payment.Hour, Online: p.Payment.Online, Frauds: *p.Frauds, MerchantRisk: *p.Risk,
	}))
}

// decide tells the outcome.
func (m manager) decide(ctx *stateway.Context, msg stateway.Message, p progress) error {
	answer, err := scoreType.Read(msg)
	if err != nil {
		return err
	}
	id := ctx.Self().ID
	p.Outcome = Approved
	if answer.Score > m.alertAbove {
		p.Outcome = Declined
		send(ctx, AlertsTopic, Alert{Transaction: id, Score: answer.Score, Payment: p.Payment})
	}
	current.Set(ctx, p)
	send(ctx, DecisionsTopic, Decision{Transaction: id, Outcome: p.Outcome, Score: answer.Score, Frauds: *p.Frauds, MerchantRisk: *p.Risk})
	return nil
}

// confirm tells counter and merchant, once however often it is said.
func confirm(ctx *stateway.Context, p progress) {
	if p.Confirmed || p.Outcome == Refused {
		return
	}
	p.Confirmed = true
	current.Set(ctx, p)
	ctx.Send(Counter.At(p.Payment.Account), fraudConfirmedType.Of(fraudConfirmed{}))
	ctx.Send(Merchant.At(p.Payment.Merchant), fraudConfirmedType.Of(fraudConfirmed{}))
}

func send(ctx *stateway.Context, topic string, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and finite numbers always encode
	}
	ctx.Egress(stateway.PlaygroundEgress, stateway.PlaygroundRecord(topic, string(text)))
}
