package http

import "time"

// timing is how long a try may take.
type timing struct {
	begun    time.Time
	budget   time.Duration
	patience time.Duration
}

func (c *Client) timing(j job) timing { return timing{time.Now(), c.budget(j), j.patience} }

// first is when the first byte of the answer must be there.
func (t *timing) first() time.Time { return t.begun.Add(t.patience + t.budget) }

// last is when the answer must be there whose first byte came at a time.
func (t *timing) last(first time.Time) time.Time {
	return t.begun.Add(min(first.Sub(t.begun), t.patience) + t.budget)
}
