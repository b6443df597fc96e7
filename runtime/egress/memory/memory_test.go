package memory_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stateway/stateway/runtime/egress"
	"github.com/stateway/stateway/runtime/egress/egresstest"
	"github.com/stateway/stateway/runtime/egress/memory"
)

var bad = []egress.Record{{Typename: egress.TypePlaygroundRecord, Value: []byte("x")}}

func TestEmitterConformance(t *testing.T) {
	for _, holding := range []bool{false, true} {
		t.Run(fmt.Sprint("holding=", holding), func(t *testing.T) {
			egresstest.RunEmitter(t, func(*testing.T) egresstest.Emitter {
				world := memory.NewWorld(1)
				e := memory.OpenEmitter(world)
				w := egresstest.Emitter{
					Record:  func(i int) egress.Record { return egress.Record{Typename: "a/b", Value: []byte{byte(i)}} },
					Outside: func(*testing.T) int { return len(world.Records()) },
					Bad:     bad,
				}
				if holding {
					e = memory.OpenHolding(world, 100)
					w.Take = func(_ *testing.T, n int) int { return e.Finish(n) }
				}
				w.Open = func(*testing.T, int) egress.Emitter { return e }
				return w
			})
		})
	}
}

func TestPublisherConformance(t *testing.T) {
	egresstest.RunPublisher(t, func(*testing.T) egresstest.Publisher {
		world := memory.NewWorld(3)
		return egresstest.Publisher{
			Open:   func(*testing.T) egress.Publisher { return memory.OpenPublisher(world) },
			Record: func(text string) egress.Record { return egress.Record{Typename: "a/b", Value: []byte(text)} },
			Outside: func(*testing.T) (texts []string) {
				for _, r := range world.Records() {
					texts = append(texts, string(r.Value))
				}
				return texts
			},
			Bad: bad,
		}
	})
}

func TestFailuresAndLostAnswers(t *testing.T) {
	world := memory.NewWorld(1)
	down, lost := errors.New("down"), errors.New("lost")
	recs := []egress.Record{{Typename: "a/b", Value: []byte("x")}}
	var got error
	note := func(_, _ int, err error) { got = err }

	world.Fail(down)
	e := memory.OpenEmitter(world)
	if e.Emit(0, recs, note); !errors.Is(got, down) || len(world.Records()) != 0 {
		t.Errorf("down: %v, %d outside", got, len(world.Records()))
	}
	p := memory.OpenPublisher(world)
	if _, err := p.Published(t.Context(), 0); !errors.Is(err, down) {
		t.Errorf("down: %v", err)
	}
	world.Fail(nil)
	if n, err := p.Published(t.Context(), 0); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}

	world.LoseAnswers(lost)
	if err := p.Publish(t.Context(), 0, 4, recs); !errors.Is(err, lost) || len(world.Records()) != 1 {
		t.Errorf("lost: %v, %d outside", err, len(world.Records()))
	}
	world.LoseAnswers(nil)
	if err := p.Publish(t.Context(), 0, 4, recs); !errors.Is(err, memory.ErrFenced) {
		t.Errorf("without asking: %v", err)
	}
	if n, err := p.Published(t.Context(), 0); n != 4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}

	next := memory.OpenPublisher(world)
	if n, err := next.Published(t.Context(), 0); n != 4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if err := p.Publish(t.Context(), 0, 5, recs); !errors.Is(err, memory.ErrFenced) {
		t.Errorf("fenced: %v", err)
	}
	if err := next.Publish(t.Context(), 0, 5, recs); err != nil || len(world.Records()) != 2 {
		t.Errorf("%v, %d outside", err, len(world.Records()))
	}
}
