package group_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/protocol/wire"
)

var encodings = []group.Encoding{group.JSON, group.Protobuf, group.Packed}

// sampleCalls has the corners of what a call may hold.
func sampleCalls() []group.Call {
	return []group.Call{
		{
			ID: "12-5f3a9c-0-18233", Source: "stateway:8f14e45fceea167a5a36dedd4bea2543",
			Target: wire.Address{Namespace: "example", Type: "cart", ID: "Kim"}, Generation: 12, Attempt: 1, TimeoutMillis: 25_000,
			Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Data: []byte("\xa2\x06\x00"),
		},
		{
			ID: "12-5f3a9c-0-18234", Source: "stateway:8f14e45fceea167a5a36dedd4bea2543",
			Target:     wire.Address{Namespace: "a/b%", Type: "c/d", ID: "\x00/\"\\é\u0085\ufdd0\U0001ffff\xff 100%/<&>"},
			Generation: 1<<64 - 1, Attempt: 3, Data: []byte{},
		},
		{
			ID: "12-5f3a9c-0-18235", Source: "stateway:8f14e45fceea167a5a36dedd4bea2543",
			Target: wire.Address{Namespace: "example", Type: "cart", ID: ""}, Attempt: 1, Data: []byte(strings.Repeat("state \x00", 100)),
		},
	}
}

// sampleAnswers has an answer of every kind.
func sampleAnswers() []group.Answer {
	return []group.Answer{
		{ID: "12-5f3a9c-0-18233", Source: "shop", Kind: group.Result, Data: []byte("\xa2\x06\x02\x0a\x00"), Encodings: group.Encodings(0).With(group.JSON).With(group.Packed)},
		{ID: "12-5f3a9c-0-18234", Source: "shop", Kind: group.Result, Data: []byte{}},
		{ID: "12-5f3a9c-0-18235", Source: "shop", Kind: group.Retry, Message: "no time left"},
		{ID: "12-5f3a9c-0-18236", Source: "shop", Kind: group.RetryAfter, RetryAfterMillis: 1500, Message: "the shop opens at \"nine\""},
		{ID: "12-5f3a9c-0-18237", Source: "shop", Kind: group.Poison, Message: "invoke example/cart/Kim, message 1 of 2: panic:\n\tindex out of range\x01 é \u2028 <&>"},
		{ID: "12-5f3a9c-0-18238", Source: "shop", Kind: group.Poison},
	}
}

func encodeCalls(tb testing.TB, enc group.Encoding, calls []group.Call) []byte {
	tb.Helper()
	var e group.Encoder
	e.Reset(enc, nil, 0)
	for i := range calls {
		if !e.AddCall(&calls[i]) {
			tb.Fatalf("call %d was refused", i)
		}
	}
	return e.Finish()
}

func encodeAnswers(tb testing.TB, enc group.Encoding, answers []group.Answer) []byte {
	tb.Helper()
	var e group.Encoder
	e.Reset(enc, nil, 0)
	for i := range answers {
		if !e.AddAnswer(&answers[i]) {
			tb.Fatalf("answer %d was refused", i)
		}
	}
	return e.Finish()
}

func TestCallsComeBackAsTheyWereWritten(t *testing.T) {
	for _, enc := range encodings {
		for n := range len(sampleCalls()) + 1 {
			t.Run(fmt.Sprintf("%d in %s", n, enc), func(t *testing.T) {
				want := sampleCalls()[:n]
				got, err := group.ParseCalls(enc, encodeCalls(t, enc, want), []group.Call{})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		}
	}
}

func TestAnswersComeBackAsTheyWereWritten(t *testing.T) {
	for _, enc := range encodings {
		t.Run(enc.String(), func(t *testing.T) {
			want := sampleAnswers()
			got, err := group.ParseAnswers(enc, encodeAnswers(t, enc, want), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
