package main

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/stateway/stateway/examples/fraud-detection/fraud"
)

// payment is a Payment with the id of its transaction.
type payment struct {
	id string
	fraud.Payment
}

// limits are how many recent frauds a counter may have told.
type limits struct{ least, most int64 }

// wave is payments that are made under the same circumstances.
type wave struct {
	payments  []payment
	recent    limits
	confirmed map[string]int64 // frauds by merchant
}

// merchant is one with its rating.
type merchant struct {
	name string
	risk float64
}

var merchants = []merchant{
	{"bakery", 0.01},
	{"books", 0.02},
	{"groceries", 0.02},
	{"hats", 0.05},
	{"phones", 0.15},
	{"tickets", 0.2},
	{"jewels", 0.3},
	{"casino", 0.5},
}

const (
	accounts   = 40
	every      = 4 // of so many accounts one has been robbed,
	fraudsEach = 2 // of its card, and these are its frauds
)

// account is the name of the n-th account.
func account(n int) string {
	if named := []string{"Ann", "Ben", "Cleo", "Dan"}; n < len(named) {
		return named[n]
	}
	return fmt.Sprintf("account-%02d", n+1)
}

// firstWave makes up payments, always the same ones. No fraud is known yet.
func firstWave(n int) *wave {
	r := rand.New(rand.NewPCG(20, 26)) //nolint:gosec // no secret depends on them
	w := &wave{}
	for i := range n {
		w.payments = append(w.payments, payment{id: fmt.Sprintf("payment-%d", i+1), Payment: fraud.Payment{
			Account: account(i % accounts), Merchant: merchants[r.IntN(len(merchants))].name,
			Cents: int64(100 * math.Exp(r.NormFloat64()*1.2+3.5)), Hour: r.Int64N(24), Online: r.IntN(10) < 4,
		}})
	}
	return w
}

// frauds are the payments of the wave that the owners of robbed accounts will say were none of theirs: the first ones of each.
func (w *wave) frauds() []payment {
	var list []payment
	for i, p := range w.payments {
		if i%accounts%every == 0 && i/accounts < fraudsEach {
			list = append(list, p)
		}
	}
	return list
}

// repeatOf is the same payments under new ids, after they were confirmed as frauds.
func repeatOf(name string, frauds []payment, recent limits) *wave {
	w := &wave{recent: recent, confirmed: byMerchant(frauds)}
	for _, p := range frauds {
		p.id += "-" + name
		w.payments = append(w.payments, p)
	}
	return w
}

func byMerchant(payments []payment) map[string]int64 {
	n := map[string]int64{}
	for _, p := range payments {
		n[p.Merchant]++
	}
	return n
}

func byAccount(payments []payment) map[string]int64 {
	n := map[string]int64{}
	for _, p := range payments {
		n[p.Account]++
	}
	return n
}
