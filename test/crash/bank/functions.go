package bank

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
)

// Function is the type of the accounts.
const Function stateway.FunctionType = "crash/account"

// The egresses that each operation leaves a record at: its name.
const (
	ExactlyOnce stateway.EgressID = "crash/exactly-once"
	AtLeastOnce stateway.EgressID = "crash/at-least-once"
)

// StatesTopic is the playground topic that answers to queries go to.
const StatesTopic = "states"

// transfer is a message to a peer.
type transfer struct {
	Number int64 `json:"number"` // counts from 1 for each pair
	Amount int64 `json:"amount"`
}

// hop goes to and fro until Left is 1.
type hop struct {
	Left int `json:"left"`
}

// late is a delayed message; Never marks those that must never arrive.
type late struct {
	Amount int64 `json:"amount"`
	Never  bool  `json:"never"`
}

// Query asks an account for its state; the answer is an Answer in StatesTopic.
type Query struct {
	Round int `json:"round"`
}

// Answer is the answer to a Query.
type Answer struct {
	Round   int     `json:"round"`
	ID      string  `json:"id"`
	Account Account `json:"account"`
}

// The types of messages.
var (
	OpType       = stateway.JSON[Op]("crash/Op")
	QueryType    = stateway.JSON[Query]("crash/Query")
	AnswerType   = stateway.JSON[Answer]("crash/Answer")
	transferType = stateway.JSON[transfer]("crash/Transfer")
	hopType      = stateway.JSON[hop]("crash/Hop")
	lateType     = stateway.JSON[late]("crash/Late")
)

// The states of an account: two values, so that a half-applied invocation would show.
var (
	accountState = stateway.ValueOf("account", stateway.JSON[Account]("crash/Account"))
	sentState    = stateway.ValueOf("sent", stateway.JSON[map[string]int64]("crash/Sent"))
)

// App returns the functions. In failures of 100 invocations, an account fails on purpose after it has done its work.
func App(failures int) *stateway.App {
	app := stateway.New()
	app.Function(Function, func(ctx *stateway.Context, msg stateway.Message) error {
		if err := handle(ctx, msg); err != nil {
			return err
		}
		if rand.IntN(100) < failures {
			return errors.New("a failure on purpose")
		}
		return nil
	}, accountState, sentState)
	return app
}

func handle(ctx *stateway.Context, msg stateway.Message) error {
	account, found, err := accountState.Lookup(ctx)
	if err != nil {
		return err
	}
	if !found {
		account = New()
	}
	switch msg.TypeName() {
	case OpType.Name():
		err = onOp(ctx, msg, &account)
	case transferType.Name():
		err = onTransfer(ctx, msg, &account)
	case hopType.Name():
		err = onHop(ctx, msg, &account)
	case lateType.Name():
		err = onLate(msg, &account)
	case QueryType.Name():
		return onQuery(ctx, msg, account)
	default:
		err = fmt.Errorf("unknown message %s", msg.TypeName())
	}
	if err != nil {
		return err
	}
	accountState.Set(ctx, account)
	return nil
}

func onOp(ctx *stateway.Context, msg stateway.Message, account *Account) error {
	op, err := OpType.Read(msg)
	if err != nil {
		return err
	}
	if _, has := ctx.Caller(); has {
		account.Problem("operation %s has a caller", op.Name())
	}
	account.Apply(op)
	number, err := nextNumber(ctx, op.Peer)
	if err != nil {
		return err
	}
	ctx.Send(Function.At(op.Peer), transferType.Of(transfer{Number: number, Amount: op.Amount}))
	if op.Hops > 0 {
		ctx.Send(Function.At(op.HopTo), hopType.Of(hop{Left: op.Hops}))
	}
	if op.LateMillis > 0 {
		delay := time.Duration(op.LateMillis) * time.Millisecond
		ctx.SendAfterWithToken(delay, op.Name(), Function.At(op.LateTo), lateType.Of(late{Amount: op.Amount}))
	}
	if op.Slot {
		// If the cancellation were lost, the token would be live and the runtime would refuse this answer.
		ctx.Cancel("slot")
		ctx.SendAfterWithToken(time.Hour, "slot", Function.At(op.Peer), lateType.Of(late{Never: true}))
	}
	ctx.Egress(ExactlyOnce, stateway.String.Of(op.Name()))
	ctx.Egress(AtLeastOnce, stateway.String.Of(op.Name()))
	return nil
}

// nextNumber counts the messages to a peer.
func nextNumber(ctx *stateway.Context, peer string) (int64, error) {
	sent, _, err := sentState.Lookup(ctx)
	if err != nil {
		return 0, err
	}
	if sent == nil {
		sent = map[string]int64{}
	}
	sent[peer]++
	sentState.Set(ctx, sent)
	return sent[peer], nil
}

func onTransfer(ctx *stateway.Context, msg stateway.Message, account *Account) error {
	t, err := transferType.Read(msg)
	if err != nil {
		return err
	}
	caller, has := ctx.Caller()
	if !has || caller.Type != Function {
		account.Problem("a transfer from %v", caller)
		return nil
	}
	account.Receive(caller.ID, t.Number, t.Amount)
	return nil
}

func onHop(ctx *stateway.Context, msg stateway.Message, account *Account) error {
	h, err := hopType.Read(msg)
	if err != nil {
		return err
	}
	account.Hops++
	caller, has := ctx.Caller()
	if !has {
		account.Problem("a hop from nobody")
		return nil
	}
	if h.Left > 1 {
		ctx.Send(caller, hopType.Of(hop{Left: h.Left - 1}))
	}
	return nil
}

func onLate(msg stateway.Message, account *Account) error {
	l, err := lateType.Read(msg)
	if err != nil {
		return err
	}
	if l.Never {
		account.Problem("a cancelled message arrived")
		return nil
	}
	account.Late += l.Amount
	return nil
}

func onQuery(ctx *stateway.Context, msg stateway.Message, account Account) error {
	q, err := QueryType.Read(msg)
	if err != nil {
		return err
	}
	payload := AnswerType.Of(Answer{Round: q.Round, ID: ctx.Self().ID, Account: account})
	if payload.Err() != nil {
		return payload.Err()
	}
	ctx.Egress(stateway.PlaygroundEgress, stateway.PlaygroundRecord(StatesTopic, string(payload.Bytes())))
	return nil
}
