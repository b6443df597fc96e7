package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stateway/stateway/examples/billing/subscription"
)

// line is a result as people read it.
func line(r subscription.Result) string {
	switch r.Event {
	case subscription.Started, subscription.Changed:
		return fmt.Sprintf("%-5s %s: %s, %s a month", r.User, r.Event, r.Plan, money(r.Cents))
	case subscription.Paid:
		return fmt.Sprintf("%-5s invoice %d: %s paid%s", r.User, r.Invoice, money(r.Cents), ifAbove(r.Try, 1, ", at try %d"))
	case subscription.Declined:
		return fmt.Sprintf("%-5s invoice %d: declined at try %d, %s", r.User, r.Invoice, r.Try, r.Reason)
	case subscription.Refused:
		return fmt.Sprintf("%-5s refused: %s", r.User, r.Reason)
	}
	return fmt.Sprintf("%-5s %s", r.User, r.Event)
}

func ifAbove(n, limit int64, format string) string {
	if n <= limit {
		return ""
	}
	return fmt.Sprintf(format, n)
}

func money(cents int64) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }

// compare prints the books beside what must be in them. It returns an error if they differ. That results fit together was checked one by
// one as they came.
func (b *books) compare(w *world, p *producer, rejects int) error {
	answers, repeats := w.provider.Answers()
	var took, declined int
	var cents, told int64
	for _, a := range answers {
		if a.Reason != "" {
			declined++
			continue
		}
		took++
		cents += a.Cents
	}
	for _, c := range b.paid {
		told += c
	}
	of := func(events ...string) (n int) {
		for _, e := range events {
			n += b.kinds[e]
		}
		return n
	}
	t := table{}
	t.head("what", "must be", "results say")
	t.row("changes answered", p.written.Load(), of(subscription.Started, subscription.Changed, subscription.Cancelled, subscription.Refused))
	t.row("subscriptions at their end", of(subscription.Started), of(subscription.Cancelled, subscription.Suspended, subscription.Ended))
	t.row("payments, as the provider took them", took, of(subscription.Paid))
	t.row("payments declined", declined, of(subscription.Declined))
	t.row("money", money(cents), money(told))
	t.row("records that are no change", 1, rejects)
	fmt.Printf("\n%s\n", t.text)
	if wrong := append(t.wrong, b.unlike(answers)...); len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "\n        "))
	}
	fmt.Printf("         changes written twice and taken once: %d\n", p.twice.Load())
	fmt.Printf("         results sent twice and dropped by their ids: %d\n", b.repeats)
	fmt.Printf("         payments asked for twice and taken once, by their keys: %d\n", repeats)
	fmt.Printf("\nOK: %d changes, %d results, each exactly once and in order; %s were charged.\n", p.written.Load(), b.results, money(cents))
	return nil
}

// unlike names the payments of which provider and results tell different things.
func (b *books) unlike(answers map[string]subscription.Answer) []string {
	var wrong []string
	for _, key := range slices.Sorted(maps.Keys(answers)) {
		if told := b.paid[key]; told != answers[key].Cents {
			wrong = append(wrong, fmt.Sprintf("for %s the provider took %s, the results say %s", key, money(answers[key].Cents), money(told)))
		}
	}
	return wrong
}

// table compares pairs of values.
type table struct {
	text  string
	wrong []string
}

func (t *table) head(what, want, got string) {
	t.text += fmt.Sprintf("         %-36s %10s   %11s\n", what, want, got)
}

func (t *table) row(what string, want, got any) {
	sign := "="
	if fmt.Sprint(want) != fmt.Sprint(got) {
		sign = "≠"
		t.wrong = append(t.wrong, fmt.Sprintf("%s: %v must be, %v are", what, want, got))
	}
	t.text += fmt.Sprintf("         %-36s %10v %s %11v\n", what, want, sign, got)
}
