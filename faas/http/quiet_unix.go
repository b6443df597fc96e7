//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package http

import (
	"errors"
	"net"
	"syscall"
)

// quiet looks at idle connections. Its room and function are made once for each, as each look would allocate them.
type quiet struct {
	raw  syscall.RawConn // nil if the connection is of a kind that cannot be looked at
	look func(fd uintptr)
	idle bool
	byte [1]byte
}

func (q *quiet) reset(c net.Conn) {
	q.raw = nil
	if s, ok := c.(syscall.Conn); ok {
		q.raw, _ = s.SyscallConn()
	}
	if q.look == nil {
		q.look = func(fd uintptr) {
			_, err := syscall.Read(int(fd), q.byte[:]) //nolint:gosec // as the kernel numbered it
			q.idle = errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR)
		}
	}
}

// holds reports whether the server has neither sent anything nor hung up since its last answer. What it sent is lost:
// without quiet the connection must be given up.
func (q *quiet) holds() bool {
	if q.raw == nil {
		return true
	}
	q.idle = false
	err := q.raw.Control(q.look)
	return err == nil && q.idle
}
