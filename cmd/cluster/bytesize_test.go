package main

import (
	"errors"
	"math"
	"testing"
)

func TestByteSize(t *testing.T) {
	cases := map[string]int64{
		"0": 0, "1": 1, "16B": 16, "1024": 1 << 10, "64KiB": 64 << 10, "512MiB": 512 << 20, "2 GiB": 2 << 30, "1TiB": 1 << 40,
		"9223372036854775807": math.MaxInt64,
	}
	for text, want := range cases {
		got, err := parseByteSize(text)
		if err != nil || got != want {
			t.Errorf("%q: got %d, %v", text, got, err)
		}
		again, err := parseByteSize(formatByteSize(got))
		if err != nil || again != want {
			t.Errorf("%q comes back as %q", text, formatByteSize(got))
		}
	}
	for _, text := range []string{"", "B", "KiB", "-1", "1.5GiB", "1KB", "1kib", "9223372036854775808", "8388608TiB", "1MiBB", "0x10"} {
		if got, err := parseByteSize(text); err == nil {
			t.Errorf("%q gave %d", text, got)
		}
	}
}

func TestWhatIsTooLargeIsToldSo(t *testing.T) {
	for text, want := range map[string]error{"99999999999GiB": errTooManyBytes, "9223372036854775808": errTooManyBytes, "much": errByteSize} {
		if _, err := parseByteSize(text); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}

func FuzzByteSize(f *testing.F) {
	f.Add("512MiB")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseByteSize(text)
		if err != nil {
			return
		}
		if again, err := parseByteSize(formatByteSize(n)); err != nil || again != n {
			t.Errorf("%q became %d, then %d, %v", text, n, again, err)
		}
	})
}
