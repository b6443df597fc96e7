package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// ErrDamaged is what every DamageError is, for errors.Is.
var ErrDamaged = errors.New("damaged object")

// DamageError says which object of the bucket holds bytes that it must not hold, where and why.
type DamageError struct {
	Object string // key
	Offset int64  // of the first byte that cannot be right, as far as it can be told
	Why    string
}

// Error names object, place and reason.
func (e *DamageError) Error() string {
	return fmt.Sprintf("damaged object %s: at byte %d: %s", e.Object, e.Offset, e.Why)
}

// Is makes a DamageError match ErrDamaged.
func (e *DamageError) Is(target error) bool { return target == ErrDamaged }

func damaged(object string, offset int64, format string, args ...any) error {
	return &DamageError{Object: object, Offset: offset, Why: fmt.Sprintf(format, args...)}
}

// castagnoli is the polynomial of all CRC32C checksums; constant.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func appendString[T ~string | ~[]byte](b []byte, s T) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendCRC(b []byte, from int) []byte {
	return binary.BigEndian.AppendUint32(b, checksum(b[from:]))
}

// decoder reads an object front to back. Its first error stays, and everything read after it is zero.
type decoder struct {
	object string
	b      []byte
	off    int64 // of b in the object
	err    error
}

// sealed checks the CRC32C that ends b and returns a decoder of what stands before it.
func sealed(object string, b []byte, magic string) *decoder {
	d := &decoder{object: object}
	end := len(b) - 4
	if end < len(magic) {
		d.fail("%d bytes are too few", len(b))
		return d
	}
	if got, want := checksum(b[:end]), binary.BigEndian.Uint32(b[end:]); got != want {
		d.fail("checksum of the object is %08x, its last bytes say %08x", got, want)
		return d
	}
	d.b = b[:end]
	if got := d.take(len(magic), "magic"); string(got) != magic {
		d.off = 0
		d.fail("it begins with %q, not with %q: another kind of object, or of another version of Stateway", got, magic)
	}
	return d
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = damaged(d.object, d.off, format, args...)
		d.b = nil
	}
}

func (d *decoder) take(n int, what string) []byte {
	if n > len(d.b) {
		d.fail("%s needs %d bytes, %d are left", what, n, len(d.b))
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	d.off += int64(n)
	return v
}

func (d *decoder) uint8(what string) uint8 {
	if v := d.take(1, what); v != nil {
		return v[0]
	}
	return 0
}

func (d *decoder) uint32(what string) uint32 {
	if v := d.take(4, what); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (d *decoder) uint64(what string) uint64 {
	if v := d.take(8, what); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

// uvarint reads a varint in its shortest form only, so that equal values have equal bytes.
func (d *decoder) uvarint(what string) uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || (n > 1 && d.b[n-1] == 0) {
		d.fail("%s is not a shortest varint", what)
		return 0
	}
	d.b = d.b[n:]
	d.off += int64(n)
	return v
}

// below reads a varint that must be less than limit.
func (d *decoder) below(limit uint64, what string) uint64 {
	v := d.uvarint(what)
	if v >= limit {
		d.fail("%s is %d, want less than %d", what, v, limit)
		return 0
	}
	return v
}

// size reads an object's size, or an offset in one.
func (d *decoder) size(what string) int64 {
	return int64(d.below(maxObject, what)) //nolint:gosec // less than maxObject
}

// count reads how many items of at least size bytes follow.
func (d *decoder) count(size int, what string) int {
	n := d.uvarint("number of " + what)
	if n > uint64(len(d.b)/size) { //nolint:gosec // not negative
		d.fail("%d %s do not fit in the %d bytes left", n, what, len(d.b))
		return 0
	}
	return int(n) //nolint:gosec // at most len(d.b)
}

func (d *decoder) bytes(what string) []byte {
	n := d.uvarint("length of " + what)
	if n > uint64(len(d.b)) {
		d.fail("%s needs %d bytes, %d are left", what, n, len(d.b))
		return nil
	}
	return d.take(int(n), what) //nolint:gosec // at most len(d.b)
}

func (d *decoder) string(what string) string { return string(d.bytes(what)) }

// end returns the first error, or one about bytes that are left.
func (d *decoder) end() error {
	if d.err == nil && len(d.b) > 0 {
		d.fail("%d bytes too many", len(d.b))
	}
	return d.err
}
