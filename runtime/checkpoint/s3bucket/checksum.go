package s3bucket

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc64"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// nvme is the table of CRC-64/NVME, whose polynomial is 0xad93d23594c93659, here with its bits reversed.
var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// checksum is of the chosen kind, in base64; the other is nil.
type checksum struct{ crc64, sha256 *string }

// sum computes the checksum of a range of body. A body that ends before is an error.
func (b *Bucket) sum(ctx context.Context, body io.ReaderAt, off, size int64) (checksum, error) {
	h := b.hash()
	buf := make([]byte, min(size, 256<<10))
	for done := int64(0); done < size; {
		if err := ctx.Err(); err != nil {
			return checksum{}, err
		}
		want := min(int64(len(buf)), size-done)
		n, err := body.ReadAt(buf[:want], off+done)
		if int64(n) < want {
			return checksum{}, fmt.Errorf("read the body at %d: %w", off+done+int64(n), errors.Join(err, io.ErrUnexpectedEOF))
		}
		h.Write(buf[:n])
		done += int64(n)
	}
	s := base64.StdEncoding.EncodeToString(h.Sum(nil))
	if b.opt.Checksum == types.ChecksumAlgorithmSha256 {
		return checksum{sha256: &s}, nil
	}
	return checksum{crc64: &s}, nil
}

func (b *Bucket) hash() hash.Hash {
	if b.opt.Checksum == types.ChecksumAlgorithmSha256 {
		return sha256.New()
	}
	return crc64.New(nvme)
}

// verify compares a whole object with the checksum that the store kept of it, if it kept one that is of the whole.
func (c checksum) verify(body []byte) error {
	switch {
	case c.crc64 != nil && whole(*c.crc64):
		var got [8]byte
		binary.BigEndian.PutUint64(got[:], crc64.Checksum(body, nvme))
		return compare("CRC64NVME", *c.crc64, got[:])
	case c.sha256 != nil && whole(*c.sha256):
		got := sha256.Sum256(body)
		return compare("SHA256", *c.sha256, got[:])
	}
	return nil
}

// whole reports whether a checksum is of an object's bytes and not of the checksums of its parts.
func whole(sum string) bool { return !strings.Contains(sum, "-") }

func compare(kind, want string, got []byte) error {
	w, err := base64.StdEncoding.DecodeString(want)
	if err == nil && bytes.Equal(w, got) {
		return nil
	}
	return fmt.Errorf("%w: %s is %s, the store kept %.60q", errCut, kind, base64.StdEncoding.EncodeToString(got), want)
}
