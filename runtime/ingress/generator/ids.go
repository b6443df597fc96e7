package generator

import (
	"math/bits"
	"strconv"
	"strings"
)

// keptIDs is how many ids are made once and kept; beyond, they are written anew for each batch.
const keptIDs = 1 << 20

// ids draws the id of a record from its number.
type ids struct {
	seed   uint64
	prefix string
	count  uint64
	kept   []string // all of them, or nil
}

func newIDs(o Options) *ids {
	d := &ids{seed: mix(o.Seed), prefix: o.Prefix, count: uint64(o.IDs)} //nolint:gosec // validated: above 0
	if o.IDs > keptIDs {
		return d
	}
	var all strings.Builder
	ends := make([]int, o.IDs)
	var buf [20]byte
	for i := range ends {
		all.WriteString(o.Prefix)
		all.Write(strconv.AppendInt(buf[:0], int64(i), 10))
		ends[i] = all.Len()
	}
	d.kept = make([]string, o.IDs)
	text, start := all.String(), 0 // one allocation for all
	for i, end := range ends {
		d.kept[i], start = text[start:end], end
	}
	return d
}

// number draws the number of record n's id.
func (d *ids) number(n int64) uint64 {
	// The high half of a product maps 64 random bits evenly onto 0 to count-1.
	hi, _ := bits.Mul64(mix(d.seed+uint64(n)), d.count) //nolint:gosec // not negative
	return hi
}

// fill sets out[i] to the id of record first + i*step.
func (d *ids) fill(out []string, first, step int64) {
	if d.kept != nil {
		for i := range out {
			out[i] = d.kept[d.number(first+int64(i)*step)]
		}
		return
	}
	buf := make([]byte, 0, len(out)*(len(d.prefix)+19))
	ends := make([]int, len(out))
	for i := range out {
		buf = append(buf, d.prefix...)
		buf = strconv.AppendUint(buf, d.number(first+int64(i)*step), 10)
		ends[i] = len(buf)
	}
	text, start := string(buf), 0
	for i, end := range ends {
		out[i], start = text[start:end], end
	}
}

// mix is the finaliser of SplitMix64: it makes neighbouring numbers look unrelated.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
