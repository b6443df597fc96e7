package playground

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

// Options describe a playground ingress.
type Options struct {
	// Addr is host:port to listen on; without host, on every interface.
	Addr string
	// Lanes is the number of partitions, one per worker. Zero means 1. Requests for one id use one lane.
	Lanes int
	// Known reports whether a function type can be a target; others are answered 404. Required. Called
	// by many goroutines.
	Known func(core.FunctionType) bool

	// MaxBody is the largest body in bytes; larger ones are answered 413. Zero means 32 MiB.
	MaxBody int64
	// MaxHeader bounds a request's headers, in bytes; larger ones are answered 431. Zero means 64 KiB.
	MaxHeader int
	// MaxWaiting bounds the bodies of all requests that are being read or wait for an answer, in bytes;
	// beyond, requests are answered 503 at once. Zero means 256 MiB; below MaxBody, MaxBody.
	MaxWaiting int64

	// CreditWait is how long a request waits to be taken (budgets used up, the node is restoring)
	// before it is answered 503. Zero means 5 seconds.
	CreditWait time.Duration
	// CommitWait is how long a request that was taken waits for its checkpoint before it is
	// answered 504, an unknown outcome. Zero means one minute.
	CommitWait time.Duration
	// BodyWait is how long a client may take to send a body. Zero means one minute.
	BodyWait time.Duration

	// Log takes connection errors, at debug level. Nil means nowhere.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Lanes = max(o.Lanes, 1)
	setDefault(&o.MaxBody, 32<<20)
	setDefault(&o.MaxHeader, 64<<10)
	setDefault(&o.MaxWaiting, 256<<20)
	setDefault(&o.CreditWait, 5*time.Second)
	setDefault(&o.CommitWait, time.Minute)
	setDefault(&o.BodyWait, time.Minute)
	o.MaxWaiting = max(o.MaxWaiting, o.MaxBody)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (o Options) validate() error {
	var errs []error
	if o.Known == nil {
		errs = append(errs, errors.New("option Known is missing"))
	}
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"Lanes", int64(o.Lanes)},
		{"MaxBody", o.MaxBody},
		{"MaxHeader", int64(o.MaxHeader)},
		{"MaxWaiting", o.MaxWaiting},
		{"CreditWait", int64(o.CreditWait)},
		{"CommitWait", int64(o.CommitWait)},
		{"BodyWait", int64(o.BodyWait)},
	} {
		if f.value < 0 {
			errs = append(errs, fmt.Errorf("option %s is below zero: %d", f.name, f.value))
		}
	}
	return errors.Join(errs...)
}
