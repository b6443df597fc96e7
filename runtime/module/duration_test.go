package module

import (
	"testing"
	"time"
)

func TestDurationIsFlinks(t *testing.T) {
	for _, c := range []struct {
		in   string
		want time.Duration // negative means refused
	}{
		{"0", 0},
		{"500", 500 * time.Millisecond},
		{" 1day ", 24 * time.Hour},
		{"2 d", 48 * time.Hour},
		{"3days", 72 * time.Hour},
		{"1h", time.Hour},
		{"15min", 15 * time.Minute},
		{"15 m", 15 * time.Minute},
		{"1 MINUTE", time.Minute},
		{"7sec", 7 * time.Second},
		{"7 secs", 7 * time.Second},
		{"9milli", 9 * time.Millisecond},
		{"9millis", 9 * time.Millisecond},
		{"4µs", 4 * time.Microsecond},
		{"4micros", 4 * time.Microsecond},
		{"8 ns", 8},
		{"8nanos", 8},
		{"007s", 7 * time.Second},
		{"106751 d", 106751 * 24 * time.Hour},
		{"106752 d", -1},
		{"9223372036854775807ns", 9223372036854775807},
		{"9223372036854775808ns", -1},
		{"99999999999999999999 s", -1},
		{"1h30m", -1},
		{"1.5s", -1},
		{"-1s", -1},
		{"+1s", -1},
		{"15mins", -1},
		{"3 msec", -1},
		{"4us", -1},
		{"s", -1},
		{"", -1},
		{"٣s", -1},
	} {
		got, err := ParseDuration(c.in)
		if (err != nil) != (c.want < 0) || (err == nil && got != c.want) {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", c.in, got, err, c.want)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	f.Add("1day")
	f.Add("9223372036854775807 µs")
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := ParseDuration(s); err == nil && d < 0 {
			t.Errorf("ParseDuration(%q) = %v", s, d)
		}
	})
}
