package main

import (
	"context"
	"time"

	"github.com/stateway/stateway/examples/billing/subscription"
)

// untold is how many answers of the payment provider have not shown up as results yet.
func (w *world) untold(b *books) int64 {
	answers, _ := w.provider.Answers()
	return int64(len(answers) - b.kinds[subscription.Paid] - b.kinds[subscription.Declined])
}

// crash kills the node without any warning and starts it again on the same folders.
func (w *world) crash(ctx context.Context, b *books, p *producer) error {
	pid := w.Node.PID()
	w.Node.Kill()
	w.say("kill -9 %d, after %d changes and %d results%s", pid, p.written.Load(), b.results, ifAbove(w.untold(b), 0, "; the provider has answered %d times more"))
	killed := time.Now()
	if err := w.Start(ctx); err != nil {
		return err
	}
	w.say("the node serves again as process %d, %d ms later; it goes on from its last checkpoint", w.Node.PID(), time.Since(killed).Milliseconds())
	return nil
}
