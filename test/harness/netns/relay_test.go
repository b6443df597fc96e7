package netns

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
)

func TestRelay(t *testing.T) {
	server, front := listen(t), listen(t)
	go func() { _ = Relay(front, server.Addr().String()) }()
	go func() {
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			text, _ := io.ReadAll(conn) // to the end of the request, which the client marks by closing its half
			_, _ = conn.Write(bytes.ToUpper(text))
			_ = conn.Close()
		}
	}()
	conn := dial(t, front)
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "HELLO" {
		t.Errorf("got %q, %v, want HELLO", got, err)
	}
	_ = server.Close()
	if _, err := io.ReadAll(dial(t, front)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("error %v while nothing listens behind the relay, want a reset", err)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func dial(t *testing.T, l net.Listener) *net.TCPConn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}
