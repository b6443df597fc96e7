// Package bank is the application of the crash test: accounts that apply operations and send each other messages, and the
// arithmetic that says what must be in them afterwards.
//
// An operation is drawn from its client and its number alone, so that functions and model agree without talking. What an account
// holds in the end does not depend on the order in which messages of different senders arrived, though an account
// checks the order of each sender's. Called by the function server in ../functions and by the test.
package bank

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Accounts is how many accounts there are.
const Accounts = 48

// AccountID returns the id of an account.
func AccountID(n int) string { return fmt.Sprintf("account-%02d", n) }

// Op is one operation, as a client sends it to the account that it is for. Peer, HopTo and LateTo are other accounts.
type Op struct {
	Client  string `json:"client"`
	Number  int    `json:"number"` // counts from 1 for each client
	Account string `json:"account"`
	Amount  int64  `json:"amount"`
	// Peer gets the amount as a message.
	Peer string `json:"peer"`
	// Hops is how often a message goes to and fro between HopTo and the account; 0 for none.
	Hops  int    `json:"hops"`
	HopTo string `json:"hopTo"`
	// LateMillis is the delay of a message to LateTo; 0 for none.
	LateMillis int64  `json:"lateMillis"`
	LateTo     string `json:"lateTo"`
	// Slot replaces the account's one waiting message that is due in an hour: cancel, and send with the same token.
	Slot bool `json:"slot"`
}

// Name names the operation in all of the application.
func (o Op) Name() string { return fmt.Sprintf("%s-%d", o.Client, o.Number) }

// Draw returns an operation of a client. The same arguments give the same operation.
func Draw(seed uint64, client, number int) Op {
	r := rand.New(rand.NewPCG(seed, uint64(client)<<32|uint64(number)))
	at := r.IntN(Accounts)
	other := func() string { return AccountID((at + 1 + r.IntN(Accounts-1)) % Accounts) }
	op := Op{
		Client: fmt.Sprintf("client-%02d", client), Number: number, Account: AccountID(at),
		Amount: 1 + r.Int64N(1000), Peer: other(), Slot: r.IntN(4) == 0,
	}
	if r.IntN(5) == 0 {
		op.Hops, op.HopTo = 1+r.IntN(6), other()
	}
	if r.IntN(3) == 0 {
		op.LateMillis, op.LateTo = 1+r.Int64N(700), other()
	}
	return op
}

// MaxLate is more than any delay that Draw gives a message that must arrive.
const MaxLate = time.Second

// Account is the state of an account.
type Account struct {
	Ops       int              `json:"ops"`       // operations applied
	Sum       int64            `json:"sum"`       // of their amounts
	Received  int64            `json:"received"`  // of the amounts that peers sent
	Hops      int              `json:"hops"`      // hops that ended here
	Late      int64            `json:"late"`      // of the amounts that came late
	Slots     int              `json:"slots"`     // how often the slot was replaced
	Clients   map[string]int   `json:"clients"`   // the last operation of each client
	Transfers map[string]int64 `json:"transfers"` // how many messages each peer has sent
	Problems  []string         `json:"problems"`  // rules that were broken, at most maxProblems
}

const maxProblems = 10

// New returns an account before its first operation.
func New() Account {
	return Account{Clients: map[string]int{}, Transfers: map[string]int64{}}
}

// Problem notes that a rule was broken.
func (a *Account) Problem(format string, args ...any) {
	if len(a.Problems) < maxProblems {
		a.Problems = append(a.Problems, fmt.Sprintf(format, args...))
	}
}

// Apply counts an operation and checks that the client's operations come in order, each once.
func (a *Account) Apply(op Op) {
	if last := a.Clients[op.Client]; op.Number <= last {
		a.Problem("operation %s came after number %d", op.Name(), last)
	}
	a.Clients[op.Client] = op.Number
	a.Ops++
	a.Sum += op.Amount
	if op.Slot {
		a.Slots++
	}
}

// Receive counts a peer's message, of which the number counts from 1 for each pair, and checks that none is missing, doubled or out of order.
func (a *Account) Receive(from string, number, amount int64) {
	if want := a.Transfers[from] + 1; number != want {
		a.Problem("message %d of %s came, want %d", number, from, want)
	}
	a.Transfers[from] = number
	a.Received += amount
}

// Expect returns what all accounts must hold when exactly these operations were applied and everything has drained.
func Expect(ops []Op) map[string]Account {
	accounts := map[string]Account{}
	at := func(id string, change func(*Account)) {
		a, ok := accounts[id]
		if !ok {
			a = New()
		}
		change(&a)
		accounts[id] = a
	}
	for n := range Accounts {
		at(AccountID(n), func(*Account) {})
	}
	for _, op := range ops {
		at(op.Account, func(a *Account) { a.Apply(op) })
		at(op.Peer, func(a *Account) { a.Receive(op.Account, a.Transfers[op.Account]+1, op.Amount) })
		if op.Hops > 0 {
			at(op.HopTo, func(a *Account) { a.Hops += (op.Hops + 1) / 2 })
			at(op.Account, func(a *Account) { a.Hops += op.Hops / 2 })
		}
		if op.LateMillis > 0 {
			at(op.LateTo, func(a *Account) { a.Late += op.Amount })
		}
	}
	return accounts
}
