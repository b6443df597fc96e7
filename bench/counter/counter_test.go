package counter

import (
	"fmt"
	"testing"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/lambda-sdk/statewaytest"
)

// The generator makes many messages at one time, for different Addresses: of those, one in so many is poison too.
func TestOneInSoManyFails(t *testing.T) {
	const made, one = 1795281600000000000, 1000
	failed := 0
	for i := range 100 * one {
		if mix(fmt.Sprint("user-", i), made)%one == 0 {
			failed++
		}
	}
	if failed < 60 || failed > 140 {
		t.Errorf("%d of %d fail, want one in %d", failed, 100*one, one)
	}
	kim := statewaytest.New(t, Options{Poison: 1}.App(), stateway.FunctionType("bench/counter").At("Kim"))
	if err := kim.DeliverError(stateway.Int64.Of(made)); err == nil {
		t.Error("it does not fail")
	}
	for turn, fails := range map[time.Duration]bool{0: true, time.Second: false, 128 * time.Second: true, made: true, made + 1: false} {
		if PoisonTurn(made, turn) != fails {
			t.Errorf("turns of %s: it is not %t that messages fail", turn, fails)
		}
	}
	kim = statewaytest.New(t, Options{Poison: 1, Turn: time.Second}.App(), stateway.FunctionType("bench/counter").At("Kim"))
	if effects := kim.Deliver(stateway.Int64.Of(made)); len(effects.Egress) != 1 {
		t.Errorf("%d records of a turn without poison, want one", len(effects.Egress))
	}
	kim = statewaytest.New(t, Options{}.App(), stateway.FunctionType("bench/counter").At("Kim"))
	if effects := kim.Deliver(stateway.Int64.Of(made)); len(effects.Egress) != 1 {
		t.Errorf("%d records, want one", len(effects.Egress))
	}
}
