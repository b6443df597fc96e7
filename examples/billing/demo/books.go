package main

import (
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/examples/billing/subscription"
)

// event is a CloudEvent as the node's egress writes it.
type event struct {
	ID   string          `json:"id"` // the same however often the record was sent
	Data json.RawMessage `json:"data"`
}

func readEvent(r types.Record) (event, error) {
	var e event
	if err := json.Unmarshal(r.Data, &e); err != nil {
		return e, fmt.Errorf("read record %q: %w", r.Data, err)
	}
	if e.ID == "" {
		return e, fmt.Errorf("record %q has no id", r.Data)
	}
	return e, nil
}

// books is what came out of the results' stream.
type books struct {
	seen     map[string]bool     // ids
	repeats  int                 // records with an id that was seen before
	results  int                 // without the repeats
	atLeast  int                 // how many there will be
	kinds    map[string]int      // results by event
	accounts map[string]*account // by user
	paid     map[string]int64    // cents by the key of the payment
}

func newBooks(steps []step, tries int64) *books {
	b := &books{seen: map[string]bool{}, kinds: map[string]int{}, accounts: map[string]*account{}, paid: map[string]int64{}}
	for _, s := range steps {
		a := b.accounts[s.user]
		if a == nil {
			a = &account{tries: tries}
			b.accounts[s.user] = a
		}
		a.changes = append(a.changes, s.change)
		b.atLeast += 1 + int(s.change.Months)
	}
	return b
}

// enter takes a record in, unless it is a repeat. The error says what is wrong with it, given all that came before.
func (b *books) enter(record types.Record) (r subscription.Result, isNew bool, err error) {
	e, err := readEvent(record)
	if err != nil {
		return r, false, err
	}
	if b.seen[e.ID] {
		b.repeats++
		return r, false, nil
	}
	b.seen[e.ID] = true
	if err := json.Unmarshal(e.Data, &r); err != nil {
		return r, false, fmt.Errorf("read result %s: %w", e.Data, err)
	}
	a := b.accounts[r.User]
	if a == nil {
		return r, false, fmt.Errorf("%s: nobody of that name changed anything", e.Data)
	}
	if why := a.enter(r); why != "" {
		return r, false, fmt.Errorf("%s, with id %s: %s; so far %v", e.Data, e.ID, why, a.history)
	}
	b.results++
	b.kinds[r.Event]++
	if r.Event == subscription.Paid {
		b.paid[subscription.Key(r.User, r.Invoice, r.Try)] = r.Cents
	}
	return r, true, nil
}

// complete reports whether every change is answered and every subscription has ended.
func (b *books) complete() bool {
	for _, a := range b.accounts {
		if a.running || len(a.changes) > 0 {
			return false
		}
	}
	return true
}
