package http

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	firstRoom    = 4 << 10
	maxHead      = 64 << 10 // bytes of an answer's status line and headers
	maxErrorBody = 64 << 10 // bytes read of an answer that is not 2xx; beyond them the connection is closed
	firstBody    = 64 << 10 // room made for a body on the word of its Content-Length alone
)

// reader reads answers from a connection. What it has read of the next answer stays for it.
type reader struct {
	conn     net.Conn
	buf      []byte
	r, w     int
	timing   timing
	deadline time.Time     // of the first byte, and then of the last
	each     time.Duration // bounds a single read, if not zero
	any      bool          // a byte of the current answer has come
	budget   int           // bytes that head or trailer may still take
	h        head          // of the current answer
}

var (
	errHeadTooLarge = errors.New("status line and headers are larger than 64 KiB")
	errTooLarge     = errors.New("too large")
)

func (rd *reader) reset(conn net.Conn) {
	rd.conn, rd.r, rd.w = conn, 0, 0
}

func (rd *reader) buffered() int { return rd.w - rd.r }

// read reads some bytes, bounded by the limit for a single read.
func (rd *reader) read(p []byte) (int, error) {
	if rd.each > 0 {
		if err := rd.conn.SetReadDeadline(earlier(rd.deadline, rd.each)); err != nil {
			return 0, err
		}
	}
	n, err := rd.conn.Read(p)
	if n == 0 {
		return 0, err
	}
	if !rd.any && rd.timing.patience > 0 {
		rd.deadline = rd.timing.last(time.Now())
		_ = rd.conn.SetReadDeadline(rd.deadline) // the next read tells
	}
	rd.any = true
	return n, nil
}

// fill reads more into the buffer.
func (rd *reader) fill() error {
	if rd.r == rd.w {
		rd.r, rd.w = 0, 0
	}
	if rd.buf == nil {
		rd.buf = make([]byte, firstRoom)
	}
	if rd.w == len(rd.buf) {
		if rd.r == 0 && len(rd.buf) >= maxHead {
			return errHeadTooLarge
		}
		if rd.r == 0 {
			rd.buf = append(rd.buf, make([]byte, len(rd.buf))...)
		} else {
			rd.w = copy(rd.buf, rd.buf[rd.r:rd.w])
			rd.r = 0
		}
	}
	n, err := rd.read(rd.buf[rd.w:])
	rd.w += n
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// line returns the next line without its end; it is valid until the next read.
func (rd *reader) line() ([]byte, error) {
	seen := 0
	for {
		if i := bytes.IndexByte(rd.buf[rd.r+seen:rd.w], '\n'); i >= 0 {
			l := rd.buf[rd.r : rd.r+seen+i]
			rd.r += len(l) + 1
			rd.budget -= len(l) + 1
			if rd.budget < 0 {
				return nil, errHeadTooLarge
			}
			if n := len(l); n > 0 && l[n-1] == '\r' {
				l = l[:n-1]
			}
			return l, nil
		}
		seen = rd.w - rd.r
		if err := rd.fill(); err != nil {
			return nil, err
		}
	}
}

// answer reads one answer to its end, or until its body is known to be larger than limit. The answer is valid until
// the next one is read; its body for ever.
func (rd *reader) answer(limit int64) (*answer, error) {
	h := &rd.h
	for {
		rd.budget = maxHead
		if err := rd.head(h); err != nil {
			return nil, err
		}
		if h.status >= 200 {
			break
		}
		if h.status == 101 {
			return nil, errors.New("status 101: the server changes to a protocol that was not asked for")
		}
	}
	a := &h.answer
	if !a.ok() {
		limit = min(limit, maxErrorBody)
	}
	err := rd.body(h, limit)
	if errors.Is(err, errTooLarge) {
		a.tooLarge, a.close, err = true, true, nil
	}
	return a, err
}

func (rd *reader) body(h *head, limit int64) error {
	a := &h.answer
	switch {
	case h.status == 204, h.status == 304:
		a.close = a.close || h.length > 0 || h.chunked // who knows whether a body comes all the same
		return nil
	case h.chunked:
		return rd.chunks(a, limit)
	case h.length < 0:
		a.close = true
		return rd.toEnd(a, limit)
	case h.length > limit && a.ok():
		return errTooLarge
	case h.length > limit:
		if err := rd.append(a, limit); err != nil {
			return err
		}
		return errTooLarge
	}
	return rd.append(a, h.length)
}

// append reads n bytes onto the body. Room is made as they come: a length is only a claim.
func (rd *reader) append(a *answer, n int64) error {
	if a.body == nil && n > 0 {
		a.body = make([]byte, 0, min(n, firstBody))
	}
	for n > 0 {
		if rd.buffered() > 0 {
			k := min(int64(rd.buffered()), n)
			a.body = append(a.body, rd.buf[rd.r:rd.r+int(k)]...)
			rd.r += int(k)
			n -= k
			continue
		}
		if n < int64(len(rd.buf)) {
			if err := rd.fill(); err != nil {
				return err
			}
			continue
		}
		if len(a.body) == cap(a.body) {
			a.body = append(make([]byte, 0, min(int64(2*cap(a.body)), int64(len(a.body))+n)), a.body...)
		}
		room := a.body[len(a.body):cap(a.body)]
		k, err := rd.read(room[:min(int64(len(room)), n)])
		a.body = a.body[:len(a.body)+k]
		n -= int64(k)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// toEnd reads a body that ends with the connection.
func (rd *reader) toEnd(a *answer, limit int64) error {
	for {
		a.body = append(a.body, rd.buf[rd.r:rd.w]...)
		rd.r = rd.w
		if int64(len(a.body)) > limit {
			a.body = a.body[:limit]
			return errTooLarge
		}
		if err := rd.fill(); errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (rd *reader) chunks(a *answer, limit int64) error {
	for {
		rd.budget = maxHead
		l, err := rd.line()
		if err != nil {
			return err
		}
		n, err := chunkSize(l)
		if err != nil {
			return err
		}
		if n == 0 {
			return rd.trailer()
		}
		if int64(len(a.body))+n > limit {
			return errTooLarge
		}
		if err := rd.append(a, n); err != nil {
			return err
		}
		if l, err = rd.line(); err != nil {
			return err
		}
		if len(l) != 0 {
			return errors.New("a chunk is longer than it says")
		}
	}
}

func (rd *reader) trailer() error {
	rd.budget = maxHead
	for {
		l, err := rd.line()
		if err != nil || len(l) == 0 {
			return err
		}
	}
}

func chunkSize(l []byte) (int64, error) {
	text, _, _ := bytes.Cut(l, []byte(";"))
	text = bytes.Trim(text, " \t")
	if len(text) == 0 || len(text) > 8 {
		return 0, fmt.Errorf("bad chunk size %q", cut(l))
	}
	n := int64(0)
	for _, ch := range text {
		switch {
		case ch >= '0' && ch <= '9':
			n = n<<4 | int64(ch-'0')
		case ch|0x20 >= 'a' && ch|0x20 <= 'f':
			n = n<<4 | int64(ch|0x20-'a'+10)
		default:
			return 0, fmt.Errorf("bad chunk size %q", cut(l))
		}
	}
	return n, nil
}

// cut bounds what an error quotes.
func cut(b []byte) []byte { return b[:min(len(b), 64)] }
