package checkpoint_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
)

var update = flag.Bool("update", false, "rewrite the golden files of formats")

var testID = core.ApplicationID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

func random32(digit string) string { return strings.Repeat(digit, 32) }

func sampleClaim() *checkpoint.Entry {
	return &checkpoint.Entry{Number: 17, Age: 1234 * time.Millisecond, Claim: &checkpoint.Claim{
		Nonce: 0xfeedface, DataDir: [16]byte{1, 2, 3}, Module: [32]byte{4, 5, 6}, Time: 1_700_000_000_000, Contact: "10.0.0.1:9912", Restores: 15,
	}}
}

func sampleDeparture() *checkpoint.Entry {
	return &checkpoint.Entry{Number: 21, Age: 4 * time.Second, Departure: &checkpoint.Move{
		Nonce: 0xfeedbeef, Time: 1_700_000_002_000, Restores: 19, From: "file:///var/lib/stateway/bucket", To: "s3://shop-state/prod",
	}}
}

func sampleArrival() *checkpoint.Entry {
	e := sampleDeparture()
	e.Number, e.Age, e.Departure, e.Arrival = 1, 0, nil, e.Departure
	e.Arrival.Restores = 0
	return e
}

func sampleDelta() *checkpoint.Entry {
	return &checkpoint.Entry{Number: 19, Age: 3 * time.Second, Manifest: &checkpoint.Manifest{
		Checkpoint: 8, Lineage: checkpoint.Lineage{Generation: 17, Nonce: 0xfeedface}, Prev: 18, FullNumber: 18, Time: 1_700_000_001_000, Shards: 4,
		Positions: map[string][]byte{"orders/0": {0, 9}, "orders/1": {}},
		Gone:      []string{"orders/2"},
		Segments: []*checkpoint.Segment{{
			Name: checkpoint.SegmentName(17, 8, 0, random32("a")), Checkpoint: 8, Length: 300, Checksum: 0xdeadbeef,
			Sections: []checkpoint.SectionRef{{Shard: 1, Offset: 48, Length: 100, Checksum: 0x11111111, Rows: 3, NextSeq: 77}, {Shard: 3, Offset: 148, Length: 36, Checksum: 0x22222222, NextSeq: 5}},
		}},
		Bases: []*checkpoint.Base{{Shard: 1, Checkpoint: 7, NextSeq: 70, Format: 24, Files: []checkpoint.BaseFile{
			{File: "000004.sst", Object: checkpoint.BaseFileName(17, 1, random32("b")), Size: 4096, Sum: [16]byte{9}},
			{File: "marker.manifest.000001.MANIFEST-000001"},
		}}},
		Retired: []string{checkpoint.SegmentName(16, 7, 0, random32("c"))},
	}}
}

func sampleFull() *checkpoint.Entry {
	e := sampleDelta()
	e.Number = 20
	e.Manifest.Full, e.Manifest.FullNumber, e.Manifest.Prev, e.Manifest.Gone = true, 20, 19, nil
	e.Manifest.Reigns = []checkpoint.ReignStart{
		{Lineage: checkpoint.Lineage{Generation: 1, Nonce: 5}, First: 1}, {Lineage: e.Manifest.Lineage, First: 7},
	}
	return e
}

// golden formats: what is written stays what it was, and reads back as what it was made of.
func TestGolden(t *testing.T) {
	w := newWorld(t, 4)
	app := checkpoint.Application{Name: "shop", ID: testID, Shards: 64}
	for name, b := range map[string][]byte{
		"application": app.Encode(), "claim": sampleClaim().Encode(testID), "delta": sampleDelta().Encode(testID),
		"full": sampleFull().Encode(testID), "departure": sampleDeparture().Encode(testID), "arrival": sampleArrival().Encode(testID),
	} {
		path := filepath.Join("testdata", name+".hex")
		if *update {
			w.must(os.WriteFile(path, []byte(hex.Dump(b)), 0o600))
		}
		want, err := os.ReadFile(path)
		if err != nil || string(want) != hex.Dump(b) {
			t.Errorf("%s differs from %s (%v): a format may change only with its version; -update rewrites. Got:\n%s", name, path, err, hex.Dump(b))
		}
	}
}

// What another version wrote is refused by name, whole as it is: rows of one version are never read as those of another.
func TestOtherVersions(t *testing.T) {
	b := sampleFull().Encode(testID)
	b[7] = 1
	body := b[:len(b)-4]
	b = binary.BigEndian.AppendUint32(body, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	_, err := checkpoint.DecodeEntryAs("key", b, testID, sampleFull().Number)
	if err == nil || !strings.Contains(err.Error(), "or of another version of Stateway") {
		t.Errorf("got %v", err)
	}
}

// A segment written once reads for ever. Its bytes may change with the compressor's version.
func TestGoldenSegment(t *testing.T) {
	w := newWorld(t, 4)
	path := filepath.Join("testdata", "segment.hex")
	if *update {
		_, whole := smallSegment(t, w.app)
		w.must(os.WriteFile(path, []byte(hex.Dump(whole)), 0o600))
	}
	dump, err := os.ReadFile(path)
	w.must(err)
	b := undump(t, string(dump))
	g, seg, err := checkpoint.DecodeFrame("golden", b, w.app.ID)
	w.must(err)
	if g != 3 || seg.Checkpoint != 9 || seg.Node != 2 || len(seg.Sections) != 2 {
		t.Fatalf("generation %d, %+v", g, seg)
	}
	want := map[core.ShardID][]core.Row{1: {row("key", strings.Repeat("compressible ", 20)), gone("old")}, 3: {row("k", "v")}}
	for i := range seg.Sections {
		r := &seg.Sections[i]
		s, err := checkpoint.DecodeSection("golden", b[r.Offset:][:r.Length], r, 9)
		w.must(err)
		if got := collect(s.Rows()); !sameRows(got, want[r.Shard]) {
			t.Errorf("shard %d: %v", r.Shard, got)
		}
	}
}

// undump reads back what hex.Dump wrote.
func undump(t *testing.T, dump string) (b []byte) {
	t.Helper()
	for line := range strings.Lines(dump) {
		digits, _, _ := strings.Cut(line[min(8, len(line)):], "|")
		part, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, part...)
	}
	return b
}

func TestEntriesRoundTrip(t *testing.T) {
	empty := &checkpoint.Entry{Number: 2, Manifest: &checkpoint.Manifest{
		Checkpoint: 1, Lineage: checkpoint.Lineage{Generation: 1}, FullNumber: 2, Full: true, Shards: 1,
		Reigns: []checkpoint.ReignStart{{Lineage: checkpoint.Lineage{Generation: 1}, First: 1}},
	}}
	for _, e := range []*checkpoint.Entry{sampleClaim(), sampleDelta(), sampleFull(), sampleDeparture(), sampleArrival(), empty, {Number: 1, Claim: &checkpoint.Claim{}}} {
		got, err := checkpoint.DecodeEntryAs("key", e.Encode(testID), testID, e.Number)
		if err != nil {
			t.Fatalf("%+v: %v", e, err)
		}
		if e.Manifest != nil && e.Manifest.Positions["orders/1"] != nil {
			got.Manifest.Positions["orders/1"] = e.Manifest.Positions["orders/1"]
		}
		if !reflect.DeepEqual(got, e) {
			t.Errorf("got %+v, want %+v", got, e)
		}
	}
}

func TestEveryFlippedByteIsFound(t *testing.T) {
	decodeEntry := func(n checkpoint.Number) func([]byte) error {
		return func(b []byte) error {
			_, err := checkpoint.DecodeEntryAs("object", b, testID, n)
			return err
		}
	}
	app := checkpoint.Application{Name: "shop", ID: testID, Shards: 64}
	for name, c := range map[string]struct {
		good   []byte
		decode func([]byte) error
	}{
		"application": {app.Encode(), func(b []byte) error { _, err := checkpoint.DecodeApp("object", b); return err }},
		"claim":       {sampleClaim().Encode(testID), decodeEntry(17)},
		"delta":       {sampleDelta().Encode(testID), decodeEntry(19)},
		"full":        {sampleFull().Encode(testID), decodeEntry(20)},
		"departure":   {sampleDeparture().Encode(testID), decodeEntry(21)},
		"arrival":     {sampleArrival().Encode(testID), decodeEntry(1)},
	} {
		if err := c.decode(c.good); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		check := func(what string, b []byte) {
			err := c.decode(b)
			var damage *checkpoint.DamageError
			if !errors.As(err, &damage) || !errors.Is(err, checkpoint.ErrDamaged) || !strings.Contains(err.Error(), "object object") {
				t.Fatalf("%s with %s: %v", name, what, err)
			}
		}
		for i := range c.good {
			for bit := range 8 {
				bad := bytes.Clone(c.good)
				bad[i] ^= 1 << bit
				check(fmt.Sprintf("byte %d changed", i), bad)
			}
			check(fmt.Sprintf("only %d bytes", i), c.good[:i])
		}
		check("a byte more", append(bytes.Clone(c.good), 0))
	}
}

func TestMisplacedEntriesAreFound(t *testing.T) {
	b := sampleClaim().Encode(testID)
	if _, err := checkpoint.DecodeEntryAs("key", b, testID, 18); err == nil || !strings.Contains(err.Error(), "number 17 of the log, not 18") {
		t.Errorf("wrong number: %v", err)
	}
	if _, err := checkpoint.DecodeEntryAs("key", b, core.ApplicationID{}, 17); err == nil || !strings.Contains(err.Error(), "belongs to application") {
		t.Errorf("wrong application: %v", err)
	}
}

func TestManifestRulesAreChecked(t *testing.T) {
	for name, change := range map[string]func(*checkpoint.Manifest){
		"shard beyond":            func(m *checkpoint.Manifest) { m.Segments[0].Sections[1].Shard = 4 },
		"sections unordered":      func(m *checkpoint.Manifest) { m.Segments[0].Sections[0].Shard = 3 },
		"sections overlap":        func(m *checkpoint.Manifest) { m.Segments[0].Sections[0].Length = 101 },
		"section beyond the end":  func(m *checkpoint.Manifest) { m.Segments[0].Length = 150 },
		"segment of the future":   func(m *checkpoint.Manifest) { m.Segments[0].Checkpoint = 9 },
		"segment without a name":  func(m *checkpoint.Manifest) { m.Segments[0].Name = "../escape" },
		"segment twice":           func(m *checkpoint.Manifest) { m.Segments = append(m.Segments, m.Segments[0]) },
		"base of the future":      func(m *checkpoint.Manifest) { m.Bases[0].Checkpoint = 9 },
		"base twice":              func(m *checkpoint.Manifest) { m.Bases = append(m.Bases, m.Bases[0]) },
		"base file escapes":       func(m *checkpoint.Manifest) { m.Bases[0].Files[0].File = "../x" },
		"base file without bytes": func(m *checkpoint.Manifest) { m.Bases[0].Files[0].Size = 0 },
		"base files unordered":    func(m *checkpoint.Manifest) { m.Bases[0].Files[0].File = "z" },
		"names unordered":         func(m *checkpoint.Manifest) { m.Gone = []string{"b", "a"} },
		"names twice":             func(m *checkpoint.Manifest) { m.Retired = append(m.Retired, m.Retired...) },
		"reigns in a delta":       func(m *checkpoint.Manifest) { m.Reigns = sampleFull().Manifest.Reigns[:1] },
		"full number of another":  func(m *checkpoint.Manifest) { m.Full = true },
		"generation not below":    func(m *checkpoint.Manifest) { m.Lineage.Generation = 19 },
		"previous not below":      func(m *checkpoint.Manifest) { m.Prev = 19 },
		"no shards":               func(m *checkpoint.Manifest) { m.Shards = 0 },
	} {
		e := sampleDelta()
		change(e.Manifest)
		if _, err := checkpoint.DecodeEntryAs("key", e.Encode(testID), testID, 19); !errors.Is(err, checkpoint.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*checkpoint.Manifest){
		"no reigns":        func(m *checkpoint.Manifest) { m.Reigns = nil },
		"another's reign":  func(m *checkpoint.Manifest) { m.Reigns = m.Reigns[:1] },
		"reigns unordered": func(m *checkpoint.Manifest) { m.Reigns[1].First = 1 },
		"reign too late":   func(m *checkpoint.Manifest) { m.Reigns[1].First = 9 },
	} {
		e := sampleFull()
		change(e.Manifest)
		if _, err := checkpoint.DecodeEntryAs("key", e.Encode(testID), testID, 20); !errors.Is(err, checkpoint.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{checkpoint.SegmentName(7, 1, 2, random32("f")), checkpoint.BaseFileName(7, 65535, random32("0"))} {
		if g, ok := checkpoint.ParseObjectName(name); !ok || g != 7 {
			t.Errorf("%s: generation %d, %t", name, g, ok)
		}
		if err := checkpoint.ValidKey("shop/" + name); err != nil {
			t.Error(err)
		}
		for i := range name {
			if _, ok := checkpoint.ParseObjectName(name[:i]); ok {
				t.Errorf("%s passes as a name", name[:i])
			}
		}
	}
	for n, want := range map[checkpoint.Number]uint64{1: 0, 4095: 0, 4096: 1, 1 << 40: 1 << 28} {
		p, ok := checkpoint.ParseLogKey(checkpoint.LogKey("shop", n))
		if !ok || p.Number != n || p.Folder != want || p.Key(n) != checkpoint.LogKey("shop", n) || p.FolderKey(want) != checkpoint.FolderKey("shop", want) {
			t.Errorf("number %d: %+v, %t", n, p, ok)
		}
	}
	for _, key := range []string{"shop/control/1/1", "shop/control", checkpoint.FolderKey("shop", 1), checkpoint.FolderKey("shop", 1) + "/00000000000000000001", "a/" + checkpoint.LogKey("shop", 1)} {
		if _, ok := checkpoint.ParseLogKey(key); ok {
			t.Errorf("%s passes as a log key", key)
		}
	}
	for _, name := range []string{"", ".a", "-a", "a/b", "ä", strings.Repeat("a", 65)} {
		if checkpoint.ValidName(name) == nil {
			t.Errorf("application name %q passes", name)
		}
	}
}
