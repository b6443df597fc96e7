package stateway

import (
	"bytes"
	"strings"
	"testing"
)

// The short way through a typed value leads where the long one does.
func FuzzParseTypedValue(f *testing.F) {
	for _, value := range []string{"", "v", strings.Repeat("v", 127), strings.Repeat("v", 128)} {
		for _, typename := range []string{"", "a/b", strings.Repeat("t", 127), strings.Repeat("t", 128), "\xff"} {
			f.Add(appendTypedValue(nil, typename, []byte(value)))
		}
	}
	whole := appendTypedValue(nil, "a/b", []byte("v"))
	for n := range whole {
		f.Add(whole[:n])
	}
	for _, more := range [][]byte{{0x1a, 0}, {0x20, 1}, {0x12, 0}, whole} {
		f.Add(append(bytes.Clone(whole), more...))
	}
	for _, form := range []string{
		"\x0a\x01a\x10\x02\x1a\x01v", "\x0a\x01a\x10\x00\x1a\x01v", "\x0a\x01a\x10\x81\x00\x1a\x01v", "\x0a\x01a\x10\x01\x1a\x00",
		"\x0a\x81\x00a\x10\x01\x1a\x01v", "\x0a\x01a\x10\x01\x1a\x81\x00v", "\x1a\x01v\x10\x01\x0a\x01a", "\x0a\x01a\x1a\x01v",
	} {
		f.Add([]byte(form))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := ParseTypedValue(raw)
		want, wantErr := parseTypedValue(raw)
		same := bytes.Equal(got.typename, want.typename) && bytes.Equal(got.value, want.value) && got.present == want.present
		if !same || (err == nil) != (wantErr == nil) {
			t.Errorf("%x: got %+v, %v, want %+v, %v", raw, got, err, want, wantErr)
		}
	})
}
