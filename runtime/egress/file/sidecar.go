package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/stateway/stateway/runtime/core"
)

// PATH.offsets, version 1, numbers big-endian, checksums CRC-32C:
//
//	header, 32 bytes:  "stw-off" 0x01 | application, 16 | zero, 4 | checksum of the 28 bytes before, 4
//	entry, 24 bytes:   checkpoint, 8 | end in the file, 8 | records, 4 | checksum, 4
//
// An entry's checksum goes on from the header's, so that an entry of another file does not fit.
// Entries are appended one by one, each synced before the next; checkpoints rise, ends do not fall.
// So only the last entry can be torn. The file is rewritten with the last entry alone at each start,
// and when it has maxEntries.
const (
	magic      = "stw-off\x01"
	headerSize = 32
	entrySize  = 24
	maxEntries = 1 << 16
)

// errDamaged: the bytes are not what this package wrote and synced.
var errDamaged = errors.New("damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// entry says that checkpoint and all before it end at end.
type entry struct {
	checkpoint core.CheckpointID
	end        int64
	records    uint32
}

func appendHeader(b []byte, app core.ApplicationID) []byte {
	start := len(b)
	b = append(b, magic...)
	b = append(b, app[:]...)
	b = append(b, 0, 0, 0, 0)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// appendEntry appends e; header is that of the file.
func appendEntry(b, header []byte, e entry) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint64(b, uint64(e.checkpoint))
	b = binary.BigEndian.AppendUint64(b, uint64(e.end)) //nolint:gosec // not negative
	b = binary.BigEndian.AppendUint32(b, e.records)
	sum := binary.BigEndian.Uint32(header[headerSize-4:])
	return binary.BigEndian.AppendUint32(b, crc32.Update(sum, castagnoli, b[start:]))
}

// sidecar is a decoded PATH.offsets.
type sidecar struct {
	app     core.ApplicationID
	entries []entry // complete ones
}

// last is the newest entry; the zero entry if there is none.
func (s *sidecar) last() entry {
	if len(s.entries) == 0 {
		return entry{}
	}
	return s.entries[len(s.entries)-1]
}

// decodeSidecar reads b and leaves out a torn last entry. Anything else that does not fit is errDamaged.
func decodeSidecar(b []byte) (*sidecar, error) {
	if len(b) < headerSize {
		return nil, fmt.Errorf("%w: %d bytes are less than a header", errDamaged, len(b))
	}
	header, rest := b[:headerSize], b[headerSize:]
	s := &sidecar{app: core.ApplicationID(header[len(magic):])}
	if string(appendHeader(nil, s.app)) != string(header) {
		return nil, fmt.Errorf("%w: header %x", errDamaged, header)
	}
	for len(rest) >= entrySize {
		e, ok := decodeEntry(header, rest[:entrySize])
		if !ok && len(rest) == entrySize {
			break // torn
		}
		if last := s.last(); !ok || e.checkpoint <= last.checkpoint || e.end < last.end {
			return nil, fmt.Errorf("%w: entry %d: %x", errDamaged, len(s.entries), rest[:entrySize])
		}
		s.entries = append(s.entries, e)
		rest = rest[entrySize:]
	}
	return s, nil
}

func decodeEntry(header, b []byte) (e entry, ok bool) {
	end := binary.BigEndian.Uint64(b[8:])
	if end > math.MaxInt64 {
		return e, false
	}
	e = entry{
		checkpoint: core.CheckpointID(binary.BigEndian.Uint64(b)),
		end:        int64(end),
		records:    binary.BigEndian.Uint32(b[16:]),
	}
	return e, string(appendEntry(nil, header, e)) == string(b)
}
