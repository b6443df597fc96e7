package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// byteSize is a number of bytes as a flag: 1073741824, 1048576KiB, 1024MiB or 1GiB.
type byteSize int64

var (
	errByteSize     = errors.New("want a number of bytes, or one with KiB, MiB, GiB or TiB, such as 512MiB")
	errTooManyBytes = errors.New("too large: want less than 8388608TiB")
)

var byteUnits = []struct {
	suffix string
	factor int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

func parseByteSize(s string) (int64, error) {
	for _, u := range byteUnits {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimRight(digits, " "), 10, 63)
		if errors.Is(err, strconv.ErrRange) || err == nil && int64(n) > math.MaxInt64/u.factor { //nolint:gosec // 63 bits
			return 0, errTooManyBytes
		}
		if err != nil {
			return 0, errByteSize
		}
		return int64(n) * u.factor, nil //nolint:gosec // 63 bits
	}
	return 0, errByteSize
}

func formatByteSize(n int64) string {
	for _, u := range byteUnits {
		if u.factor > 1 && n >= u.factor && n%u.factor == 0 {
			return strconv.FormatInt(n/u.factor, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10)
}

// Set implements pflag.Value.
func (b *byteSize) Set(s string) error {
	n, err := parseByteSize(s)
	*b = byteSize(n)
	return err
}

// String implements pflag.Value.
func (b *byteSize) String() string { return formatByteSize(int64(*b)) }

// Type implements pflag.Value.
func (b *byteSize) Type() string { return "bytes" }
