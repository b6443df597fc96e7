// Package counter is the bench's function with the Go SDK: it counts its messages and emits, for each, one record that repeats the message's
// value. bench/fnserver-sdk serves it over HTTP, bench/fnlambda on Lambda; bench/poison calls it.
package counter

import (
	"errors"
	"flag"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
)

// State is what an Address keeps: how many messages it has had.
var State = stateway.ValueOf("count", stateway.Int64)

// Options say what else it does. The zero value is nothing.
type Options struct {
	Poison uint64        // one message in so many fails, each time it is tried; 0 means none
	Turn   time.Duration // if not 0, messages fail only in every other turn, by the time at which they were made: see PoisonTurn
	Pause  time.Duration // how long each message takes, without CPU
}

// Flags adds a flag for each option.
func (o *Options) Flags(f *flag.FlagSet) {
	f.Uint64Var(&o.Poison, "poison", 0, "one message in so many fails; 0 means none")
	f.DurationVar(&o.Turn, "poison-turn", 0, "only messages made in every other such time fail; 0 means always")
	f.DurationVar(&o.Pause, "pause", 0, "how long each message takes")
}

// App returns the function bench/counter, ready to be served.
func (o Options) App() *stateway.App {
	var options []stateway.Option
	if o.Pause > 0 {
		options = append(options, stateway.WithParallel(1000)) // they only wait
	}
	app := stateway.New(options...)
	app.Function("bench/counter", o.run, State)
	return app
}

func (o Options) run(ctx *stateway.Context, msg stateway.Message) error {
	if err := o.refuse(ctx, msg); err != nil {
		return err
	}
	time.Sleep(o.Pause)
	return Count(ctx, msg)
}

// Count counts a message in State, and emits a record that repeats its value.
func Count(ctx *stateway.Context, msg stateway.Message) error {
	n, err := State.Get(ctx)
	if err != nil {
		return err
	}
	State.Set(ctx, n+1)
	ctx.Egress("bench/out", msg.Payload())
	return nil
}

// refuse fails the messages that are poison: of those that were made at one time, some.
func (o Options) refuse(ctx *stateway.Context, msg stateway.Message) error {
	if o.Poison == 0 {
		return nil
	}
	made, err := stateway.Int64.Read(msg)
	if err == nil && mix(ctx.Self().ID, uint64(made))%o.Poison == 0 && PoisonTurn(made, o.Turn) { //nolint:gosec // any bits will do
		err = errors.New("a poison message")
	}
	return err
}

// PoisonTurn reports whether messages fail that are made at that time, in Unix nanoseconds: in turns with an odd number, the first one began
// at zero.
func PoisonTurn(made int64, turn time.Duration) bool {
	return turn <= 0 || made/int64(turn)%2 == 1
}

// mix is a number that is as good as random, and always the same (FNV-1a).
func mix(id string, made uint64) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 0x100000001b3
	}
	h = (h ^ made) * 0x9e3779b97f4a7c15
	return h >> 20
}
