package subscription

import (
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
)

// Settings say when what happens. The zero value is for real customers.
type Settings struct {
	// Month is how long a paid month lasts, at least a millisecond. Zero means 30 days.
	Month time.Duration
	// RetryAfter is the pause after a declined payment. Zero means 3 days.
	RetryAfter time.Duration
	// Tries is how often a payment is tried before the subscription is suspended. Zero means 4.
	Tries int64
}

func (s Settings) withDefaults() Settings {
	const day = 24 * time.Hour
	if s.Month == 0 {
		s.Month = 30 * day
	}
	if s.RetryAfter == 0 {
		s.RetryAfter = 3 * day
	}
	if s.Tries == 0 {
		s.Tries = 4
	}
	return s
}

// New returns both functions, ready to be served. Payments go to provider.
func New(s Settings, provider *Provider) *stateway.App {
	s = s.withDefaults()
	app := stateway.New()
	app.Function(User, user{month: s.Month}.handle, current)
	app.Function(Payment, payment{settings: s, provider: provider}.handle, open)
	return app
}
