package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bucket is where objects are kept: a folder, an S3 bucket, a map in memory.
//
// Who calls: a node's checkpoint code and the operator's commands, from any number of goroutines and
// processes at once. Order: a Create that has returned nil is seen by every Read that begins later,
// from any process, and survives a loss of power. List may be behind: it may miss what was created
// and show what was deleted, so nothing is ever concluded from an absence in it.
//
// Ownership: an implementation neither keeps nor changes a body after it has returned; slices that
// it returns belong to the caller.
//
// Errors: ErrExists, ErrNotFound and ErrRange are answers. Any other error of Create or CreateFrom
// leaves open whether the object exists and wraps ErrUnknownOutcome, unless it is certain that it
// does not. A caller that needs to know tries the same body again until it gets an answer.
// Every error names the key.
type Bucket interface {
	// Create creates the object key with body, unless key is taken: then it returns ErrExists, and
	// what is there is as durable as if this call had made it. Of concurrent Creates of a key exactly
	// one wins. An object is never seen in part.
	Create(ctx context.Context, key string, body []byte) error

	// CreateFrom is Create for large bodies: size bytes of body, which may be read more than once.
	CreateFrom(ctx context.Context, key string, body io.ReaderAt, size int64) error

	// Read returns the whole object, or ErrNotFound. Objects above MaxRead bytes give ErrRange.
	Read(ctx context.Context, key string) ([]byte, error)

	// ReadRange returns exactly n bytes from offset off, with n at least 1; ErrRange if the object
	// ends before, ErrNotFound if there is none.
	ReadRange(ctx context.Context, key string, off, n int64) ([]byte, error)

	// ReadTo is ReadRange for large ranges: it writes exactly n bytes from offset off to w, in order and as they come, so that they need not
	// be in memory together. After an error w may have got some of them, and it is called no more once ReadTo has returned.
	// An error of w ends it and is wrapped by its error.
	ReadTo(ctx context.Context, key string, off, n int64, w io.Writer) error

	// List returns up to limit keys that begin with prefix and are greater than after, in ascending
	// order of their bytes. Fewer than limit means that there are no more. It may be stale.
	List(ctx context.Context, prefix, after string, limit int) ([]string, error)

	// Delete deletes an object; nil if there is none. It refuses entries of a control log, which go
	// by the folder.
	Delete(ctx context.Context, key string) error

	// DeleteFolder replaces all objects below folder (keys that begin with it and a slash) by one
	// empty object named folder. That object exists before the first of the others is gone, so that
	// whoever misses one of them learns why. Where the bucket can, it is one atomic step after which
	// a Create below folder gives ErrExists; a caller must not rely on that. Repeating it is harmless.
	// errors.ErrUnsupported means that this bucket cannot, and that everything is as before.
	DeleteFolder(ctx context.Context, folder string) error
}

// Answers of a Bucket, to be tested with errors.Is.
var (
	// ErrExists: the key is taken.
	ErrExists = errors.New("object exists")
	// ErrNotFound: there is no such object.
	ErrNotFound = errors.New("object not found")
	// ErrRange: the object is shorter than the range asked for, or too long to be read whole.
	ErrRange = errors.New("object has another size")
	// ErrUnknownOutcome: the answer to a create was lost; the object may exist now, later or never.
	ErrUnknownOutcome = errors.New("outcome of create is unknown")
	// ErrKey: the key breaks the rules of ValidKey.
	ErrKey = errors.New("invalid object key")
)

// MaxRead is the size in bytes of the largest object that Bucket.Read returns. Larger ones are read by range.
const MaxRead = 256 << 20

const (
	maxKey     = 512
	maxKeyPart = 200
)

// ValidKey checks a key: parts separated by single slashes, each of 1 to 200 of the characters
// a-z A-Z 0-9 . _ - and not beginning with a dot; 512 bytes at most. So a key is a safe path in a
// file system and a plain key in S3. The error wraps ErrKey.
func ValidKey(key string) error {
	if len(key) > maxKey {
		return fmt.Errorf("%w %.40q…: %d bytes, at most %d", ErrKey, key, len(key), maxKey)
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part[0] == '.' || len(part) > maxKeyPart || !keyChars(part) {
			return fmt.Errorf("%w %q: part %q: want 1 to %d of a-z A-Z 0-9 . _ -, no leading dot", ErrKey, key, part, maxKeyPart)
		}
	}
	return nil
}

func keyChars(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// ValidPrefix checks a prefix for List: empty, or the beginning of a valid key.
func ValidPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if strings.HasSuffix(prefix, "/") {
		return ValidKey(prefix + "x")
	}
	return ValidKey(prefix)
}
