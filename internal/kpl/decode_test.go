package kpl_test

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the format's checksum
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stateway/stateway/internal/kpl"
)

// plain is a record as a test writes it. An empty hash is none.
type plain struct{ key, hash, data string }

func plainOf(records []kpl.Record) (out []plain) {
	for _, r := range records {
		out = append(out, plain{string(r.PartitionKey), string(r.ExplicitHashKey), string(r.Data)})
	}
	return out
}

func aggregate(records []plain) []byte {
	var a kpl.Aggregator
	for _, r := range records {
		a.Add(r.key, r.hash, []byte(r.data))
	}
	return a.AppendTo(nil)
}

// vectors are what the files in testdata hold.
func vectors() map[string][]plain {
	bytes256 := make([]byte, 256)
	for i := range bytes256 {
		bytes256[i] = byte(i)
	}
	v := map[string][]plain{
		"one.bin":        {{"Ann", "", "hello"}},
		"empty-data.bin": {{"Ann", "", ""}},
		"hash-keys.bin":  {{"Ann", "340282366920938463463374607431768211455", "a"}, {"Bob", "0", "b"}, {"Ann", "", "c"}, {"Bob", "0", "d"}},
		"unicode.bin":    {{"Żółw", "", "你好"}, {strings.Repeat("k", 256), "", string(bytes256)}},
	}
	for i := range 1000 {
		r := plain{key: fmt.Sprintf("key-%d", i%300), data: strings.Repeat(strconv.Itoa(i), i%7)}
		if i%3 == 0 {
			r.hash = strconv.Itoa(i % 150)
		}
		v["many.bin"] = append(v["many.bin"], r)
	}
	return v
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodeReadsWhatAnotherEncoderWrote(t *testing.T) {
	for name, want := range vectors() {
		b := readFile(t, name)
		got, aggregated, err := kpl.Decode(b, nil)
		if err != nil || !aggregated {
			t.Errorf("%s: aggregated %v, %v", name, aggregated, err)
			continue
		}
		if d := cmp.Diff(want, plainOf(got), cmp.AllowUnexported(plain{})); d != "" {
			t.Errorf("%s: -want +got:\n%s", name, d)
		}
		if ours := aggregate(want); !bytes.Equal(ours, b) {
			t.Errorf("%s: we encode it to other bytes:\n%x\n%x", name, ours, b)
		}
	}
}

func TestDecodeFindsAllDamage(t *testing.T) {
	for name := range vectors() {
		b := readFile(t, name)
		prefix := []kpl.Record{{Data: []byte("stays")}}
		for i := 4; i < len(b); i += 1 + len(b)/500 {
			bad := bytes.Clone(b)
			bad[i] ^= 0x10
			got, aggregated, err := kpl.Decode(bad, prefix)
			if !errors.Is(err, kpl.ErrDamaged) || !aggregated || len(got) != 1 {
				t.Fatalf("%s with byte %d changed: %d records, aggregated %v, %v", name, i, len(got), aggregated, err)
			}
			if got, _, err := kpl.Decode(b[:i], nil); len(got) != 0 || i >= kpl.Overhead && !errors.Is(err, kpl.ErrChecksum) {
				t.Fatalf("%s cut at %d: %d records, %v", name, i, len(got), err)
			}
		}
	}
}

// seal makes an aggregate of any message.
func seal(message string) []byte {
	sum := md5.Sum([]byte(message)) //nolint:gosec // the format's checksum
	return []byte("\xf3\x89\x9a\xc2" + message + string(sum[:]))
}

func TestDecode(t *testing.T) {
	tests := []struct {
		name       string
		data       []byte
		want       []plain
		aggregated bool
		err        string
	}{
		{name: "nothing"},
		{name: "a plain record", data: []byte("a plain record of some length")},
		{name: "a record that begins with the magic and is too short", data: []byte("\xf3\x89\x9a\xc2 short")},
		{name: "a record that begins with the magic", data: []byte("\xf3\x89\x9a\xc2 a plain record of some length"), aggregated: true, err: "damaged KPL aggregate: its MD5 is wrong"},
		{name: "no records", data: seal(""), aggregated: true},
		{
			name: "tables behind the records, tags, a field to come", aggregated: true,
			data: seal("\x1a\x0b\x08\x01\x10\x00\x1a\x01x\x22\x02tt" + "\x0a\x01a\x0a\x01b\x12\x017" + "\x78\x01"),
			want: []plain{{"b", "7", "x"}},
		},
		{name: "a partition key index out of range", data: seal("\x0a\x01a\x1a\x05\x08\x01\x1a\x01x"), aggregated: true, err: "damaged KPL aggregate: a partition key index out of range at byte 3 of its message"},
		{name: "a hash key index out of range", data: seal("\x0a\x01a\x1a\x07\x08\x00\x10\x00\x1a\x01x"), aggregated: true, err: "damaged KPL aggregate: an explicit hash key index out of range at byte 3 of its message"},
		{name: "no partition key", data: seal("\x0a\x01a\x1a\x03\x1a\x01x"), aggregated: true, err: "damaged KPL aggregate: a record without partition key at byte 3 of its message"},
		{name: "no data", data: seal("\x0a\x01a\x1a\x02\x08\x00"), aggregated: true, err: "damaged KPL aggregate: a record without data at byte 3 of its message"},
		{name: "a second record cut short", data: seal("\x0a\x01a\x1a\x05\x08\x00\x1a\x01x\x1a\x05\x08\x00\x1a\x09x"), aggregated: true, err: "damaged KPL aggregate: a record cut short at byte 10 of its message"},
		{name: "a message cut short", data: seal("\x0a\x09a"), aggregated: true, err: "damaged KPL aggregate: cut short at byte 0 of its message"},
		{name: "a length beyond all bounds", data: seal("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a"), aggregated: true, err: "damaged KPL aggregate: cut short at byte 0 of its message"},
		{name: "a record's length beyond all bounds", data: seal("\x0a\x01a\x1a\x0e\x08\x00\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), aggregated: true, err: "damaged KPL aggregate: a record cut short at byte 3 of its message"},
		{name: "an index beyond all bounds", data: seal("\x0a\x01a\x1a\x0c\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), aggregated: true, err: "damaged KPL aggregate: a record cut short at byte 3 of its message"},
		{name: "a table that is a number", data: seal("\x08\x01"), aggregated: true, err: "damaged KPL aggregate: a table or record that is no bytes at byte 0 of its message"},
		{name: "an index that is bytes", data: seal("\x0a\x01a\x1a\x03\x0a\x01a"), aggregated: true, err: "damaged KPL aggregate: a record's field of another type at byte 3 of its message"},
		{name: "a group", data: seal("\x23\x24"), aggregated: true, err: "damaged KPL aggregate: cut short at byte 0 of its message"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, aggregated, err := kpl.Decode(tt.data, nil)
			if d := cmp.Diff(tt.want, plainOf(got), cmp.AllowUnexported(plain{})); d != "" || aggregated != tt.aggregated {
				t.Errorf("aggregated %v, -want +got:\n%s", aggregated, d)
			}
			if text := fmt.Sprint(err); err != nil && text != tt.err || err == nil && tt.err != "" {
				t.Errorf("error %v, want %s", err, tt.err)
			}
		})
	}
}

func TestDecodeCopiesNoData(t *testing.T) {
	b := aggregate([]plain{{"Ann", "", strings.Repeat("x", 1<<16)}, {"Bob", "1", "y"}})
	var a kpl.Aggregate
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := a.Open(b); err != nil {
			t.Fatal(err)
		}
		for _, ok := a.Next(); ok; _, ok = a.Next() {
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations once there is room, want none", allocs)
	}
	got, _, _ := kpl.Decode(b, nil)
	if _ = append(got[0].Data, "overwrites?"...); got[1].Data[0] != 'y' {
		t.Error("appending to a record's data reaches the next record")
	}
}

// An Aggregate that was used holds nothing of what it was used for.
func TestAggregatesAreUsedAgain(t *testing.T) {
	var a kpl.Aggregate
	for range 2 {
		for _, name := range []string{"many.bin", "one.bin", "hash-keys.bin"} {
			for _, bad := range [][]byte{nil, []byte("a plain record of some length"), seal("\x0a\x01a\x1a\x05\x08\x01\x1a\x01x"), seal("")} {
				if _, _ = a.Open(bad); a.Len() != 0 {
					t.Errorf("%q has %d records", bad, a.Len())
				}
				if r, ok := a.Next(); ok {
					t.Errorf("%q has record %v", bad, r)
				}
			}
			want := vectors()[name]
			if _, err := a.Open(readFile(t, name)); err != nil || a.Len() != len(want) {
				t.Fatalf("%s: %d records, want %d, %v", name, a.Len(), len(want), err)
			}
			keys := map[int]string{}
			for i, p := range want {
				r, ok := a.Next()
				if got := (plain{string(r.PartitionKey), string(r.ExplicitHashKey), string(r.Data)}); !ok || got != p {
					t.Fatalf("%s: record %d is %v, want %v", name, i, got, p)
				}
				if known, ok := keys[r.Key]; r.Key < 0 || r.Key >= a.Keys() || ok && known != p.key {
					t.Fatalf("%s: record %d has key number %d of %d, which is %q and %q", name, i, r.Key, a.Keys(), p.key, known)
				}
				keys[r.Key] = p.key
			}
			if r, ok := a.Next(); ok {
				t.Errorf("%s: one more record %v", name, r)
			}
		}
	}
}

// What an aggregate takes in memory is bounded by its size, whatever its producer wrote: here the smallest records and the smallest keys.
func TestHostileAggregates(t *testing.T) {
	const size = 10 << 20
	const slack = 64 << 10 // what the Go runtime itself, a collection that begins for one, may allocate meanwhile
	for name, tt := range map[string]struct {
		message string
		records int
		most    uint64 // bytes
	}{
		"the smallest records": {"\x0a\x00" + strings.Repeat("\x1a\x04\x08\x00\x1a\x00", size/6), size / 6, slack},
		"the smallest keys":    {strings.Repeat("\x0a\x00", size/2), 0, 4*size/2 + slack},
		"the smallest hashes":  {strings.Repeat("\x12\x00", size/2), 0, 4*size/2 + slack},
	} {
		t.Run(name, func(t *testing.T) {
			data := seal(tt.message)
			var a kpl.Aggregate
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := a.Open(data)
			n := 0
			for _, ok := a.Next(); ok; _, ok = a.Next() {
				n++
			}
			runtime.ReadMemStats(&after)
			if err != nil || n != tt.records || a.Len() != n {
				t.Errorf("%d of %d records, want %d, %v", n, a.Len(), tt.records, err)
			}
			took := after.TotalAlloc - before.TotalAlloc
			if room := uint64(a.Room()); took > tt.most || room > took { //nolint:gosec // not negative
				t.Errorf("it took %d bytes and says %d; at most %d", took, room, tt.most)
			}
		})
	}
}

func TestAggregatorKnowsItsSize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		record := rapid.Custom(func(t *rapid.T) plain {
			r := plain{key: rapid.SampledFrom([]string{"a", "b", "", strings.Repeat("k", 200)}).Draw(t, "key")}
			if rapid.Bool().Draw(t, "has its own key") {
				r.key = rapid.String().Draw(t, "own key")
			}
			r.hash = rapid.SampledFrom([]string{"", "0", "12", "99999999999999999999999"}).Draw(t, "hash")
			r.data = string(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data"))
			return r
		})
		var a kpl.Aggregator
		for range 2 { // the second time with used memory
			a.Reset()
			records := rapid.SliceOfN(record, 0, 300).Draw(t, "records")
			for _, r := range records {
				want := a.SizeWith(r.key, r.hash, len(r.data))
				if a.Add(r.key, r.hash, []byte(r.data)); a.Size() != want {
					t.Fatalf("%d bytes, said %d before", a.Size(), want)
				}
			}
			b := a.AppendTo([]byte("before"))[len("before"):]
			if len(b) != a.Size() || a.Len() != len(records) {
				t.Fatalf("%d bytes, Size %d; %d records, Len %d", len(b), a.Size(), len(records), a.Len())
			}
			got, aggregated, err := kpl.Decode(b, nil)
			if d := cmp.Diff(records, plainOf(got), cmp.AllowUnexported(plain{})); err != nil || !aggregated || len(records) > 0 && d != "" {
				t.Fatalf("%v, -added +decoded:\n%s", err, d)
			}
		}
	})
}

// FuzzDecode gives any message a right checksum, so that all of the decoder is reached.
func FuzzDecode(f *testing.F) {
	for name := range vectors() {
		b := readFile(f, name)
		f.Add(b[4 : len(b)-md5.Size])
	}
	f.Add([]byte("\x0a\x01a\x1a\x0e\x08\x00\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add([]byte("\x1a\x0b\x08\x01\x10\x00\x1a\x01x\x22\x02tt\x0a\x01a\x0a\x01b\x12\x017\x78\x01"))
	f.Fuzz(func(t *testing.T, message []byte) {
		_, _, _ = kpl.Decode(message, nil)
		records, aggregated, err := kpl.Decode(seal(string(message)), nil)
		if !aggregated || err != nil && len(records) > 0 {
			t.Fatalf("aggregated %v, %d records, %v", aggregated, len(records), err)
		}
		again, _, err := kpl.Decode(aggregate(plainOf(records)), nil)
		if d := cmp.Diff(plainOf(records), plainOf(again), cmp.AllowUnexported(plain{})); err != nil || d != "" {
			t.Fatalf("what was decoded encodes to something else: %v\n%s", err, d)
		}
	})
}

// FuzzAggregator reads records from the fuzzer's bytes and expects them back.
func FuzzAggregator(f *testing.F) {
	f.Add([]byte("\x01a\x02hi\x01b\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		next := func() string {
			n, used := binary.Uvarint(b)
			if used <= 0 {
				b = nil
				return ""
			}
			b = b[used:]
			n = min(n, uint64(len(b)))
			text := string(b[:n])
			b = b[n:]
			return text
		}
		var records []plain
		for len(b) > 0 {
			records = append(records, plain{next(), next(), next()})
		}
		got, _, err := kpl.Decode(aggregate(records), nil)
		if d := cmp.Diff(records, plainOf(got), cmp.AllowUnexported(plain{})); err != nil || d != "" {
			t.Fatalf("%v, -added +decoded:\n%s", err, d)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, size := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("data=%d", size), func(b *testing.B) {
			var a kpl.Aggregator
			for i := range 400 {
				a.Add(fmt.Sprintf("key-%d", i%50), "", bytes.Repeat([]byte{'x'}, size))
			}
			data := a.AppendTo(nil)
			var opened kpl.Aggregate
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := opened.Open(data); err != nil {
					b.Fatal(err)
				}
				for _, ok := opened.Next(); ok; _, ok = opened.Next() {
				}
			}
			b.ReportMetric(float64(b.N*opened.Len())/b.Elapsed().Seconds(), "records/s")
		})
	}
	b.Run("md5", func(b *testing.B) { // the checksum alone, of records of 1,000 bytes
		data := make([]byte, 400_000)
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			_ = md5.Sum(data) //nolint:gosec // the format's checksum
		}
		b.ReportMetric(float64(b.N*400)/b.Elapsed().Seconds(), "records/s")
	})
}

func BenchmarkAggregate(b *testing.B) {
	data := bytes.Repeat([]byte{'x'}, 100)
	var keys []string
	for i := range 50 {
		keys = append(keys, fmt.Sprintf("key-%d", i))
	}
	var a kpl.Aggregator
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		a.Reset()
		for i := range 400 {
			a.Add(keys[i%len(keys)], "", data)
		}
		buf = a.AppendTo(buf[:0])
	}
	b.ReportMetric(float64(b.N*400)/b.Elapsed().Seconds(), "records/s")
}
