package checkpoint_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/membucket"
)

// The model of the control log: a list of the nonces of who appended. An append expects a tail and
// wins only there; a look returns the tail.
type logOp struct {
	look   bool
	number uint64 // at which it appends
	nonce  uint64
}

type logAnswer struct {
	tail    uint64 // of a look
	won     bool
	unknown bool
}

func logModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return uint64(0) },
		Step: func(state, input, output any) (bool, any) {
			tail, in, out := state.(uint64), input.(logOp), output.(logAnswer)
			if in.look {
				return out.tail == tail, tail
			}
			free := tail == in.number-1
			switch {
			case out.won:
				return free, in.number
			case out.unknown && free:
				return true, in.number // if it did not happen, it is placed where the number was taken
			}
			return out.unknown || !free, tail
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
	}
}

// Several processes append and look at once over a bucket that loses requests and answers. What they
// were told must have one order in which each step is right.
func TestLogIsLinearizable(t *testing.T) {
	for seed := range uint64(30) {
		history := race(t, seed)
		if result, _ := porcupine.CheckOperationsVerbose(logModel(), history, 30*time.Second); result != porcupine.Ok {
			t.Fatalf("seed %d: %v\n%v", seed, result, history)
		}
	}
}

func race(t *testing.T, seed uint64) []porcupine.Operation {
	under := &membucket.Bucket{}
	_, err := checkpoint.CreateApplication(t.Context(), under, "shop", 4, raceOptions(seed))
	if err != nil {
		t.Fatal(err)
	}
	var clock atomic.Int64
	var mu sync.Mutex
	var history []porcupine.Operation
	record := func(client int, in logOp, out logAnswer, call int64) {
		end := clock.Add(1)
		if out.unknown {
			end = 1 << 40
		}
		mu.Lock()
		defer mu.Unlock()
		history = append(history, porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: end})
	}
	var wg sync.WaitGroup
	for client := range 4 {
		wg.Go(func() {
			racer(t, client, under, rand.New(rand.NewPCG(seed, uint64(client))), &clock, record)
		})
	}
	wg.Wait()
	return history
}

func raceOptions(seed uint64) checkpoint.Options {
	return checkpoint.Options{Random: rand.NewChaCha8([32]byte{byte(seed)}), Clock: func() time.Duration { return 0 }}
}

func racer(t *testing.T, client int, under *membucket.Bucket, r *rand.Rand, clock *atomic.Int64, record func(int, logOp, logAnswer, int64)) {
	bucket := &membucket.Faulty{Under: under, Hook: func(op membucket.Op) (f membucket.Fault) {
		if op.Kind == membucket.OpCreate {
			switch r.IntN(8) {
			case 0:
				f.Before = membucket.ErrInjected
			case 1, 2:
				f.After = membucket.ErrInjected
			}
		}
		return f
	}}
	app, err := checkpoint.OpenApplication(t.Context(), bucket, "shop", raceOptions(uint64(client)))
	if err != nil {
		t.Error(err)
		return
	}
	id := client
	for range 6 {
		call := clock.Add(1)
		tail, err := app.Log().FindTail(t.Context(), 0)
		if err != nil {
			t.Error(err)
			return
		}
		record(id, logOp{look: true}, logAnswer{tail: uint64(tail.Number)}, call)
		reign := app.Log().NewReign(tail)
		for range 3 {
			op := logOp{number: uint64(reign.Tail()) + 1, nonce: r.Uint64()}
			call := clock.Add(1)
			_, err := reign.Append(t.Context(), checkpoint.Entry{Claim: &checkpoint.Claim{Nonce: op.nonce}})
			for tries := 0; reign.Pending() && tries < r.IntN(3); tries++ {
				_, err = reign.Settle(t.Context())
			}
			record(id, op, logAnswer{won: err == nil, unknown: reign.Pending()}, call)
			if reign.Pending() {
				id += 100 // one whose operation never returned does no other
			}
			if err != nil {
				if !errors.Is(err, checkpoint.ErrDeposed) && !reign.Pending() {
					t.Error(err)
				}
				break
			}
		}
	}
}
