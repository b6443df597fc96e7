//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package http

import "net"

// quiet does not look at idle connections here.
type quiet struct{}

func (q *quiet) reset(net.Conn) {}

func (q *quiet) holds() bool { return true }
