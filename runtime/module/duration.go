package module

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
)

// durationUnits are the unit names of Flink. No other is taken, and upper case is the same as lower case.
var durationUnits = map[string]time.Duration{
	"":  time.Millisecond,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
	"h": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"min": time.Minute, "m": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"s": time.Second, "sec": time.Second, "secs": time.Second, "second": time.Second, "seconds": time.Second,
	"ms": time.Millisecond, "milli": time.Millisecond, "millis": time.Millisecond,
	"millisecond": time.Millisecond, "milliseconds": time.Millisecond,
	"µs": time.Microsecond, "micro": time.Microsecond, "micros": time.Microsecond,
	"microsecond": time.Microsecond, "microseconds": time.Microsecond,
	"ns": time.Nanosecond, "nano": time.Nanosecond, "nanos": time.Nanosecond,
	"nanosecond": time.Nanosecond, "nanoseconds": time.Nanosecond,
}

// ParseDuration reads a duration as Flink writes it: a whole number, blanks if wanted, and one unit; without a unit
// it counts milliseconds. The longest that fits is about 292 years.
func ParseDuration(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if digits == 0 {
		return 0, fmt.Errorf("%q is not a duration: it does not begin with a whole number", s)
	}
	label := strings.ToLower(strings.TrimSpace(s[digits:]))
	unit, ok := durationUnits[label]
	if !ok {
		return 0, fmt.Errorf("%q is not a duration: %w", s, unknownUnit(label))
	}
	n, err := strconv.ParseUint(s[:digits], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is too long a duration", s)
	}
	hi, lo := bits.Mul64(n, uint64(unit)) //nolint:gosec // units are positive
	if hi != 0 || lo > math.MaxInt64 {
		return 0, fmt.Errorf("%q is too long a duration", s)
	}
	return time.Duration(lo), nil //nolint:gosec // bounded above
}

func unknownUnit(label string) error {
	if strings.ContainsAny(label, "0123456789.,") {
		return errors.New("it must be one whole number with one unit")
	}
	units := make([]string, 0, len(durationUnits))
	for u := range durationUnits {
		if u != "" {
			units = append(units, u)
		}
	}
	slices.Sort(units)
	if near := nearest(label, units); near != "" {
		return fmt.Errorf("unknown unit %q, did you mean %q?", label, near)
	}
	return fmt.Errorf("unknown unit %q", label)
}
