package checkpoint_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
)

// resealed replaces the last four bytes by the right checksum, so that a fuzzer gets behind it.
func resealed(b []byte) []byte {
	if len(b) < 4 {
		return b
	}
	end := len(b) - 4
	return binary.BigEndian.AppendUint32(bytes.Clone(b[:end]), crc32.Checksum(b[:end], crc32.MakeTable(crc32.Castagnoli)))
}

func FuzzEntry(f *testing.F) {
	for _, e := range []*checkpoint.Entry{sampleClaim(), sampleDelta(), sampleFull(), sampleDeparture(), sampleArrival()} {
		f.Add(e.Encode(testID), uint64(e.Number))
	}
	f.Fuzz(func(t *testing.T, b []byte, n uint64) {
		b = resealed(b)
		e, err := checkpoint.DecodeEntryAs("key", b, testID, checkpoint.Number(n))
		if err != nil {
			return
		}
		if got := e.Encode(testID); !bytes.Equal(got, b) {
			t.Fatalf("encodes back to\n%x, was\n%x", got, b)
		}
		if e.Manifest == nil {
			return
		}
		s := &checkpoint.State{Shards: e.Manifest.Shards, Bases: make([]*checkpoint.Base, e.Manifest.Shards)}
		if s.Apply(e.Number, e.Manifest) == nil {
			s.Overdue()
			s.LineageOf(s.Checkpoint)
			if s.Shards > 0 {
				s.Past(0)
			}
		}
	})
}

func FuzzApplication(f *testing.F) {
	app := checkpoint.Application{Name: "shop", ID: testID, Shards: 64}
	f.Add(app.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		b = resealed(b)
		a, err := checkpoint.DecodeApp("key", b)
		if err != nil {
			return
		}
		if got := a.Encode(); !bytes.Equal(got, b) {
			t.Fatalf("encodes back to\n%x, was\n%x", got, b)
		}
	})
}

// Compressed bytes have many forms, so rows are compared here; their uncompressed form is FuzzRows.
func FuzzSection(f *testing.F) {
	w := newWorld(f, 4)
	seg, whole := smallSegment(f, w.app)
	for _, r := range seg.Sections {
		f.Add(whole[r.Offset:][:r.Length], uint32(r.Shard), r.Rows, uint64(r.NextSeq))
	}
	f.Fuzz(func(t *testing.T, b []byte, shard uint32, rows, next uint64) {
		ref := checkpoint.SectionRef{Shard: core.ShardID(shard), Length: int64(len(b)), Rows: rows, NextSeq: core.Seq(next)}
		ref.Checksum = crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
		s, err := checkpoint.DecodeSection("key", b, &ref, 9)
		if err != nil {
			return
		}
		want := collect(s.Rows())
		again, err := checkpoint.EncodeSection(slices.Values(want), s.NextSeq())
		if err != nil || !sameRows(collect(again.Rows()), want) || uint64(len(want)) != s.Len() {
			t.Fatalf("%d rows do not come back: %v", len(want), err)
		}
	})
}

func FuzzRows(f *testing.F) {
	f.Add([]byte("\x06key\x05value\x07old"))
	f.Add([]byte{0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := checkpoint.DecodeBlockCount(b)
		if err != nil || n == 0 {
			return
		}
		s := checkpoint.SectionOf(b, n)
		again, err := checkpoint.EncodeSection(s.Rows(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := again.Raw(); !bytes.Equal(got, b) {
			t.Fatalf("encodes back to\n%x, was\n%x", got, b)
		}
	})
}

func FuzzSegmentFrame(f *testing.F) {
	w := newWorld(f, 4)
	_, whole := smallSegment(f, w.app)
	f.Add(whole)
	f.Fuzz(func(t *testing.T, b []byte) {
		b = resealedFrame(b)
		_, s, err := checkpoint.DecodeFrame("key", b, w.app.ID)
		if err != nil {
			return
		}
		for _, r := range s.Sections {
			if r.Offset < 0 || r.Length < 0 || r.Offset+r.Length > int64(len(b)) {
				t.Fatalf("section %+v lies outside of %d bytes", r, len(b))
			}
			_, _ = checkpoint.DecodeSection("key", b[r.Offset:][:r.Length], &r, s.Checkpoint)
		}
	})
}

// resealedFrame puts right the checksums of header, index and footer.
func resealedFrame(b []byte) []byte {
	if len(b) < 48+36 {
		return b
	}
	b = bytes.Clone(b)
	table := crc32.MakeTable(crc32.Castagnoli)
	binary.BigEndian.PutUint32(b[44:], crc32.Checksum(b[:44], table))
	f := b[len(b)-36:]
	if at := binary.BigEndian.Uint64(f); at < uint64(len(b)-36) {
		binary.BigEndian.PutUint32(f[12:], crc32.Checksum(b[at:len(b)-36], table))
	}
	binary.BigEndian.PutUint32(f[24:], crc32.Checksum(f[:24], table))
	return b
}
