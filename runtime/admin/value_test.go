package admin

import (
	"encoding/json"
	"math"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/stateway/stateway/protocol/types"
	"github.com/stateway/stateway/runtime/core"
)

func TestReadable(t *testing.T) {
	encoded := func(m proto.Message) []byte {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	cases := []struct {
		name, typename string
		value          []byte
		want           string // empty: not readable
	}{
		{"string", "io.statefun.types/string", encoded(&types.StringWrapper{Value: "a\"ü"}), `"a\"ü"`},
		{"empty string", "io.statefun.types/string", nil, `""`},
		{"int", "io.statefun.types/int", encoded(&types.IntWrapper{Value: -7}), `-7`},
		{"long", "io.statefun.types/long", encoded(&types.LongWrapper{Value: math.MinInt64}), `-9223372036854775808`},
		{"zero", "io.statefun.types/long", nil, `0`},
		{"bool", "io.statefun.types/bool", encoded(&types.BooleanWrapper{Value: true}), `true`},
		{"float", "io.statefun.types/float", encoded(&types.FloatWrapper{Value: 1.5}), `1.5`},
		{"double", "io.statefun.types/double", encoded(&types.DoubleWrapper{Value: 1e300}), `1e+300`},
		{"no number", "io.statefun.types/double", encoded(&types.DoubleWrapper{Value: math.NaN()}), `"NaN"`},
		{"infinite", "io.statefun.types/float", encoded(&types.FloatWrapper{Value: float32(math.Inf(-1))}), `"-Inf"`},
		{"JSON", "io.stateway.types/json", []byte(`{"a":[1]}`), `{"a":[1]}`},
		{"broken JSON", "io.stateway.types/json", []byte(`{"a":`), ""},
		{"bytes that are not of their type", "io.statefun.types/int", []byte{1, 2, 3}, ""},
		{"unknown built-in", "io.statefun.types/decimal", []byte("12"), ""},
		{"another's type", "shop/Item", []byte("text"), ""},
	}
	for _, c := range cases {
		if got := string(readable(c.typename, c.value)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestDescribeStateRefusesBytesThatAreNoValue(t *testing.T) {
	if got, err := describeState(core.StoredState{Name: "x", Value: []byte{0xff}}, true); err == nil {
		t.Errorf("got %+v", got)
	}
}

func TestParseAddress(t *testing.T) {
	cases := map[string]core.Address{
		"a/b/c":     {Type: "a/b", ID: "c"},
		"a.x/b/c/d": {Type: "a.x/b", ID: "c/d"},
		"a/b//":     {Type: "a/b", ID: "/"},
		"a/b/ ü\n":  {Type: "a/b", ID: " ü\n"},
	}
	for text, want := range cases {
		if got, err := ParseAddress(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "a", "a/b", "a/b/", "/b/c", "a//c", "a/b/\xff"} {
		if got, err := ParseAddress(text); err == nil {
			t.Errorf("%q gave %v", text, got)
		}
	}
}

func FuzzDescribeState(f *testing.F) {
	f.Add([]byte{0x0a, 1, 'a', 0x10, 1, 0x1a, 1, 'b'})
	f.Add([]byte("\n\x16io.statefun.types/long\x10\x01\x1a\t\t\x01\x02\x03\x04\x05\x06\x07\x08"))
	f.Add([]byte("\n\x18io.statefun.types/string\x10\x01\x1a\x03\n\x01a"))
	f.Add([]byte("\n\x16io.stateway.types/json\x10\x01\x1a\x02{}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := describeState(core.StoredState{Name: "x", Value: raw}, true)
		if err != nil {
			return
		}
		if _, err := json.Marshal(d); err != nil {
			t.Errorf("%+v: %v", d, err)
		}
	})
}

func FuzzParseAddress(f *testing.F) {
	f.Add("a/b/c")
	f.Add("a/b/c/d\x00")
	f.Fuzz(func(t *testing.T, text string) {
		if a, err := ParseAddress(text); err == nil && a.String() != text {
			t.Errorf("%q became %q", text, a)
		}
	})
}
