package group_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stateway/stateway/protocol/group"
)

func TestSizesAreKnownBeforehand(t *testing.T) {
	calls, answers := append(counterCalls(t, 300), sampleCalls()...), append(counterAnswers(t, 300), sampleAnswers()...)
	calls[7].ID, answers[7].Message = "\xff\"", "not of a result"
	answers = append(answers, group.Answer{ID: "\xff", Kind: group.Poison, Message: "\xff" + strings.Repeat("\\é", group.MaxMessage)})
	for _, enc := range encodings {
		t.Run(enc.String(), func(t *testing.T) {
			asked, answered := group.SizeEmpty(enc), group.SizeEmpty(enc)
			for i := range calls {
				asked += group.SizeCall(enc, &calls[i])
			}
			for i := range answers {
				answered += group.SizeAnswer(enc, &answers[i])
			}
			for what, sizes := range map[string][2]int{"calls": {asked, len(encodeCalls(t, enc, calls))}, "answers": {answered, len(encodeAnswers(t, enc, answers))}} {
				told, got := sizes[0], sizes[1]
				if enc == group.JSON {
					told-- // the first event has no comma
				}
				if enc != group.Packed && told != got || told < got {
					t.Errorf("%s: %d bytes were told, %d written", what, told, got)
				}
			}
		})
	}
}

// random returns n bytes that cannot be compressed.
func random(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

func TestAGroupIsNeverLongerThanItsLimit(t *testing.T) {
	dense, sparse := counterCalls(t, 5000), counterCalls(t, 5000)
	noise := random(200 * len(dense))
	for i := range dense {
		dense[i].Data = noise[200*i : 200*i+200]
	}
	for _, enc := range encodings {
		for name, calls := range map[string][]group.Call{"noise": dense, "counters": sparse} {
			for _, limit := range []int{1, 100, 1000, 10_000, 100_000, 1_000_000} {
				t.Run(fmt.Sprintf("%s in %s up to %d", name, enc, limit), func(t *testing.T) {
					var e group.Encoder
					e.Reset(enc, []byte("before"), limit)
					n := 0
					for n < len(calls) && e.AddCall(&calls[n]) {
						n++
					}
					size := e.Size()
					got := e.Finish()[len("before"):]
					if n > 0 && (len(got) > limit || len(got) > size || enc != group.Packed && len(got) != size) {
						t.Errorf("%d calls are %d bytes, and Size told %d", n, len(got), size)
					}
					if parsed, err := group.ParseCalls(enc, got, nil); err != nil || len(parsed) != n {
						t.Errorf("%d of %d calls and %v", len(parsed), n, err)
					}
					if n < len(calls) && limit > 10_000 && len(got) < limit*9/10 {
						t.Errorf("full with %d of %d bytes", len(got), limit)
					}
				})
			}
		}
	}
}

func TestWhatDoesNotFitLeavesNothingBehind(t *testing.T) {
	for _, enc := range encodings {
		t.Run(enc.String(), func(t *testing.T) {
			calls := sampleCalls()
			large := calls[0]
			large.Data = random(50_000)
			var e group.Encoder
			e.Reset(enc, nil, 20_000)
			for _, c := range []struct {
				call *group.Call
				want bool
			}{{&large, false}, {&calls[0], true}, {&large, false}, {&calls[1], true}} {
				if got := e.AddCall(c.call); got != c.want {
					t.Errorf("added: %v, want %v", got, c.want)
				}
			}
			if e.Len() != 2 {
				t.Errorf("%d events, want 2", e.Len())
			}
			got, err := group.ParseCalls(enc, e.Finish(), nil)
			if diff := cmp.Diff(calls[:2], got); err != nil || diff != "" {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		})
	}
}

// Alone, a large item goes out if it fits once it is compressed.
func TestALargeItemIsPackedToBeMeasured(t *testing.T) {
	call := sampleCalls()[0]
	call.Data = bytes.Repeat([]byte("state"), 100_000)
	var e group.Encoder
	e.Reset(group.Packed, nil, 10_000)
	if !e.AddCall(&call) {
		t.Fatal("refused")
	}
	small := sampleCalls()[1]
	if !e.AddCall(&small) {
		t.Fatal("the next one was refused")
	}
	b := e.Finish()
	if got, err := group.ParseCalls(group.Packed, b, nil); err != nil || len(b) > 10_000 || len(got) != 2 || !bytes.Equal(got[0].Data, call.Data) {
		t.Errorf("%d bytes, %d calls, %v", len(b), len(got), err)
	}
}

func TestAGroupHasNotTooManyItems(t *testing.T) {
	var e group.Encoder
	e.Reset(group.Protobuf, nil, 0)
	answer := group.Answer{ID: "1", Kind: group.Retry}
	n := 0
	for e.AddAnswer(&answer) {
		n++
	}
	if call := sampleCalls()[0]; n != group.MaxItems || e.AddCall(&call) {
		t.Errorf("%d items", n)
	}
}

func TestAnEncoderCanBeUsedAgain(t *testing.T) {
	var e group.Encoder
	for range 3 {
		for _, enc := range encodings {
			calls := sampleCalls()
			e.Reset(enc, nil, 0)
			e.AddCall(&calls[2]) // given up
			e.Reset(enc, nil, 0)
			for i := range calls {
				e.AddCall(&calls[i])
			}
			if got, want := e.Finish(), encodeCalls(t, enc, calls); !bytes.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", enc, got, want)
			}
		}
	}
}

func TestLongMessagesAreCutBetweenCharacters(t *testing.T) {
	for shift := range 5 {
		a := group.Answer{ID: "1", Source: "s", Kind: group.Poison, Message: strings.Repeat("x", shift) + strings.Repeat("😀", group.MaxMessage)}
		got, err := group.ParseAnswers(group.Protobuf, encodeAnswers(t, group.Protobuf, []group.Answer{a}), nil)
		if err != nil {
			t.Fatal(err)
		}
		if m := got[0].Message; !strings.HasPrefix(a.Message, m) || len(m) <= group.MaxMessage-4 || len(m) > group.MaxMessage {
			t.Errorf("%d bytes that end in %q", len(m), m[len(m)-4:])
		}
	}
}
