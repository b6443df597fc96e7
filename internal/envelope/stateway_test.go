package envelope_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stateway/stateway/internal/envelope"
)

func TestStateway(t *testing.T) {
	tests := []struct {
		name string
		e    envelope.Stateway
		want string
	}{
		{"a typed value", envelope.Stateway{ID: "ab-3-7-11", Typename: "a/b", Payload: []byte("{}")}, "\xf5sw\x01\x09ab-3-7-11\x03a/b{}"},
		{"plain bytes", envelope.Stateway{ID: "i", Payload: []byte{0, 0xff}}, "\xf5sw\x01\x01i\x00\x00\xff"},
		{"nothing in it", envelope.Stateway{ID: "i", Payload: []byte{}}, "\xf5sw\x01\x01i\x00"},
		{"a long id", envelope.Stateway{ID: strings.Repeat("i", 200), Payload: []byte("x")}, "\xf5sw\x01\xc8\x01" + strings.Repeat("i", 200) + "\x00x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := envelope.AppendStateway([]byte("before"), tt.e)[len("before"):]
			if string(b) != tt.want {
				t.Errorf("got %q, want %q", b, tt.want)
			}
			if n := envelope.StatewayOverhead(len(tt.e.ID), len(tt.e.Typename)) + len(tt.e.Payload); n != len(b) {
				t.Errorf("%d bytes, said %d", len(b), n)
			}
			got, err := envelope.DecodeStateway(b)
			if d := cmp.Diff(tt.e, got); err != nil || d != "" || !envelope.IsStateway(b) {
				t.Errorf("%v, -want +got:\n%s", err, d)
			}
		})
	}
}

func TestDecodeStatewayRefuses(t *testing.T) {
	for _, data := range []string{
		"", "\xf5sw", "plain text", "\xf5sw\x02\x01i\x00", "\xf5sw\x01", "\xf5sw\x01\x00\x00", "\xf5sw\x01\x02i", "\xf5sw\x01\x01i",
		"\xf5sw\x01\x01\xff\x00", "\xf5sw\x01\x01i\x01\xff", "\xf5sw\x01\x81\x00i\x00", "\xf5sw\x01\x01i\x05a/b",
		"\xf5sw\x01\x80\x80\x08" + strings.Repeat("i", 1<<17) + "\x00", "\xf5sw\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01i",
	} {
		if got, err := envelope.DecodeStateway([]byte(data)); !errors.Is(err, envelope.ErrDamaged) {
			t.Errorf("%.40q reads as %+v, %v", data, got, err)
		}
	}
}

func FuzzDecodeStateway(f *testing.F) {
	f.Add([]byte("\xf5sw\x01\x09ab-3-7-11\x03a/b{}"))
	f.Add([]byte("\xf5sw\x01\x01i\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := envelope.DecodeStateway(data)
		if err != nil {
			return
		}
		if b := envelope.AppendStateway(nil, e); !bytes.Equal(b, data) {
			t.Fatalf("%q encodes back to %q", data, b)
		}
	})
}

func BenchmarkStateway(b *testing.B) {
	e := envelope.Stateway{ID: "ab000000000000000000000000000000-3-7-11", Typename: "a/b", Payload: bytes.Repeat([]byte("x"), 200)}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = envelope.AppendStateway(buf[:0], e)
		if _, err := envelope.DecodeStateway(buf); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleAppendStateway() {
	b := envelope.AppendStateway(nil, envelope.Stateway{ID: "5f-3-7-11", Typename: "example/order", Payload: []byte("7 pears")})
	fmt.Printf("%q\n", b)
	// Output: "\xf5sw\x01\t5f-3-7-11\rexample/order7 pears"
}
