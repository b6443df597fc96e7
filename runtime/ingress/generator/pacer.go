package generator

import (
	"context"
	"time"
)

const (
	// tick is the shortest sleep: records due within it travel together.
	tick = 500 * time.Microsecond
	// catchUp is how much of a delay (no credit, a slow machine) is made good by going faster.
	catchUp = 10 * time.Millisecond
)

// pacer says when a partition's next records are due. It belongs to one goroutine.
type pacer struct {
	gap   time.Duration // between two records; zero: always due
	due   time.Time     // when the next record is due
	timer *time.Timer
}

// newPacer makes the pacer of a partition whose first record is due after offset.
func newPacer(gap, offset time.Duration) *pacer {
	p := &pacer{gap: gap}
	if gap > 0 {
		p.due = time.Now().Add(offset)
		p.timer = time.NewTimer(0)
	}
	return p
}

// wait blocks until at least one record is due and returns how many are, at most limit.
func (p *pacer) wait(ctx context.Context, limit int64) (int64, error) {
	if p.gap == 0 {
		return limit, nil
	}
	for {
		late := time.Since(p.due)
		if late > catchUp {
			p.due, late = p.due.Add(late-catchUp), catchUp
		}
		if late >= 0 {
			return min(int64(late/p.gap)+1, limit), nil
		}
		p.timer.Reset(max(-late, tick))
		select {
		case <-p.timer.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// sent moves on by n records.
func (p *pacer) sent(n int64) { p.due = p.due.Add(time.Duration(n) * p.gap) }

func (p *pacer) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}
