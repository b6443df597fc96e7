package subscription

import (
	"fmt"
	"hash/crc32"
	"maps"
	"sync"
)

// Provider is a fake payment provider. It declines every charge of the card ExpiredCard, and of other cards one in four, always the same
// ones. The zero value is ready. Safe for concurrent use.
type Provider struct {
	mu      sync.Mutex
	answers map[string]Answer // guarded by mu: by key
	repeats int               // guarded by mu
}

// Charge is one try to collect money.
type Charge struct {
	// Key names the try: to ask again with the same key takes no more money, and gets the first answer. Providers call it an
	// idempotency key.
	Key   string `json:"key"`
	Card  string `json:"card"`
	Cents int64  `json:"cents"`
}

// Answer is what became of a charge.
type Answer struct {
	Cents  int64  // that were taken
	Reason string // why none were; empty otherwise
}

// ExpiredCard is the card whose charges are all declined.
const ExpiredCard = "expired"

// Charge takes the money, or says why it is declined.
func (p *Provider) Charge(c Charge) Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a, known := p.answers[c.Key]; known {
		p.repeats++
		return a
	}
	a := Answer{Cents: c.Cents}
	if reason := Declines(c.Key, c.Card); reason != "" {
		a = Answer{Reason: reason}
	}
	if p.answers == nil {
		p.answers = map[string]Answer{}
	}
	p.answers[c.Key] = a
	return a
}

// Declines says why a Provider declines; empty if it does not.
func Declines(key, card string) (reason string) {
	switch {
	case card == ExpiredCard:
		return "the card has expired"
	case crc32.ChecksumIEEE([]byte(key))%4 == 0:
		return "insufficient funds"
	}
	return ""
}

// Answers are what was answered, by key, and how often a key came again.
func (p *Provider) Answers() (answers map[string]Answer, repeats int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.answers), p.repeats
}

// Key names a try, counted from 1, to collect an invoice of a user.
func Key(user string, invoice, try int64) string { return fmt.Sprintf("%s/%d/%d", user, invoice, try) }
