package module

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// scalar returns a key's text, and nil with "" if it has none.
func (o *object) scalar(key string) (string, *node) {
	n := o.value(key)
	if n == nil {
		return "", nil
	}
	return o.l.scalar(n, key)
}

// scalar returns n's text, and nil after a report if n is no single value.
func (l *loader) scalar(n *node, what string) (string, *node) {
	if n.broken {
		return "", nil
	}
	if n.kind != scalarNode {
		l.errorf(n.at, "write one text or number", "%s must be a single value, and is %s", what, n.kind)
		return "", nil
	}
	return n.text, n
}

// text returns a key's text or the default.
func (o *object) text(key, fallback string) string {
	if s, n := o.scalar(key); n != nil {
		return s
	}
	return fallback
}

// requiredText returns a key's text, which must be there and not be empty.
func (o *object) requiredText(key, hint string) (string, *node) {
	n := o.required(key, hint)
	if n == nil {
		return "", nil
	}
	s, n := o.l.scalar(n, key)
	if n != nil && s == "" {
		o.l.errorf(n.at, hint, "%s is empty", key)
		return "", nil
	}
	return s, n
}

// integer returns a key's whole number within [low, high], or the default.
func (o *object) integer(key string, fallback, low, high int64) int64 {
	s, n := o.scalar(key)
	if n == nil {
		return fallback
	}
	v, hint := parseInteger(s)
	if hint == "" && (v < low || v > high) {
		hint = "write a number " + interval(low, high)
	}
	if hint != "" {
		o.l.errorf(n.at, hint, "%s is %q, which is not a number it can have", key, s)
		return fallback
	}
	return v
}

func interval(low, high int64) string {
	if high == math.MaxInt64 || high == math.MaxInt32 { // a limit of the type only
		return "of at least " + strconv.FormatInt(low, 10)
	}
	return "from " + strconv.FormatInt(low, 10) + " to " + strconv.FormatInt(high, 10)
}

// parseInteger reads a decimal whole number. A leading zero is refused, because YAML's versions differ on it.
func parseInteger(s string) (v int64, hint string) {
	digits := strings.TrimLeft(s, "+-")
	if len(digits) > 1 && digits[0] == '0' && strings.Trim(digits, "0123456789") == "" {
		return 0, "write it without a leading zero"
	}
	v, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
	if err == nil && !strings.HasPrefix(s, "_") {
		return v, ""
	}
	f, err := strconv.ParseFloat(s, 64)
	if err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 && !strings.ContainsAny(s, "xXpP") {
		return int64(f), ""
	}
	return 0, "write a whole number"
}

// number returns a key's number within [low, high], or the default.
func (o *object) number(key string, fallback, low, high float64) float64 {
	s, n := o.scalar(key)
	if n == nil {
		return fallback
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= low && v <= high) {
		hint := "write a number from " + strconv.FormatFloat(low, 'g', -1, 64) + " to " + strconv.FormatFloat(high, 'g', -1, 64)
		o.l.errorf(n.at, hint, "%s is %q, which is not a number it can have", key, s)
		return fallback
	}
	return v
}

// duration returns a key's duration or the default.
func (o *object) duration(key string, fallback time.Duration) time.Duration {
	d, n := o.readDuration(key)
	if n == nil {
		return fallback
	}
	return d
}

// positive is duration without zero.
func (o *object) positive(key string, fallback time.Duration) time.Duration {
	d, n := o.readDuration(key)
	if n == nil {
		return fallback
	}
	if d == 0 {
		o.l.errorf(n.at, "write a duration above zero", "%s is zero", key)
		return fallback
	}
	return d
}

// readDuration returns a key's duration, and nil if it has none that can be read.
func (o *object) readDuration(key string) (time.Duration, *node) {
	s, n := o.scalar(key)
	if n == nil {
		return 0, nil
	}
	d, err := ParseDuration(s)
	if err != nil {
		o.l.errorf(n.at, "write a number with a unit, such as 500ms, 10s, 2min or 1day", "%s: %v", key, err)
		return 0, nil
	}
	return d, n
}

// oneOf reports a text that is none of the allowed ones.
func (l *loader) oneOf(n *node, what, s string, allowed ...string) bool {
	if slices.Contains(allowed, s) {
		return true
	}
	hint := "write one of: " + strings.Join(allowed, ", ")
	if near := nearest(s, allowed); near != "" {
		hint = "did you mean " + strconv.Quote(near) + "?"
	}
	l.errorf(n.at, hint, "%s cannot be %q", what, s)
	return false
}
