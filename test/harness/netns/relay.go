package netns

import (
	"context"
	"errors"
	"io"
	"net"
	"time"
)

// Relay accepts connections until the listener is closed and passes each on to what listens at a loopback address (host:port). A
// connection that cannot be passed on is reset, so that it does not look like an answer.
func Relay(from net.Listener, to string) error {
	for {
		conn, err := from.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go relay(conn.(*net.TCPConn), to)
	}
}

func relay(in *net.TCPConn, to string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
	if err != nil {
		reset(in)
		return
	}
	out := conn.(*net.TCPConn)
	back := make(chan struct{})
	go func() {
		carry(in, out)
		close(back)
	}()
	carry(out, in)
	<-back
	_ = in.Close()
	_ = out.Close()
}

// carry copies until src has no more, and tells dst so; an error ends both.
func carry(dst, src *net.TCPConn) {
	if _, err := io.Copy(dst, src); err != nil {
		reset(src)
		reset(dst)
		return
	}
	_ = dst.CloseWrite()
}

func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}
