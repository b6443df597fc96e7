package s3bucket

import (
	"errors"
	"io"
	"sync"
)

var errTakenBack = errors.New("the attempt that this body was for has ended")

// lentBody is a range of a body that is lent to an attempt. The HTTP client may go on reading after an attempt was given up, while the body
// is no longer ours; it gets an error then.
type lentBody struct {
	mu   sync.Mutex // held while the body is read
	of   *io.SectionReader
	back bool // guarded by mu
}

func lend(body io.ReaderAt, off, size int64) *lentBody {
	return &lentBody{of: io.NewSectionReader(body, off, size)}
}

// Read implements io.Reader.
func (l *lentBody) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.back {
		return 0, errTakenBack
	}
	return l.of.Read(p)
}

// Seek implements io.Seeker: the SDK reads a body once to sign it.
func (l *lentBody) Seek(off int64, whence int) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of.Seek(off, whence)
}

// takeBack waits for a read that is under way and lets no other begin.
func (l *lentBody) takeBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.back = true
}
