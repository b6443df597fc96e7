package http

import (
	"encoding/pem"
	"io"
	"net"
	"os"
	"testing"
)

func FuzzDecryptPKCS8(f *testing.F) {
	for _, name := range []string{"aes-256-cbc", "aes-128-cbc", "des3", "pbes1", "scrypt"} {
		b, err := os.ReadFile("testdata/key-" + name + ".pem")
		if err != nil {
			f.Fatal(err)
		}
		block, _ := pem.Decode(b)
		f.Add(block.Bytes)
	}
	f.Fuzz(func(_ *testing.T, der []byte) {
		if len(der) < 1000 {
			decryptPKCS8(der, []byte("secret"))
		}
	})
}

// bytesConn is a connection that gives bytes, a few at a time.
type bytesConn struct {
	net.Conn
	b    []byte
	step int
}

func (c *bytesConn) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.b[:min(c.step, len(c.b))])
	c.b = c.b[n:]
	return n, nil
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(okAnswer()), 7)
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n"), 1)
	f.Add([]byte("HTTP/1.0 503 X\r\nRetry-After: 5\r\nDate: x\r\nLocation: y\r\nConnection: close, keep-alive\r\nContent-Encoding: gzip, br\r\n\r\nabc"), 100)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		const limit = 1 << 16
		read := func(step int) (*answer, error) {
			rd := new(reader)
			rd.reset(&bytesConn{b: b, step: step})
			return rd.answer(limit)
		}
		whole, err := read(1 << 20)
		if err == nil && (whole.status < 200 || len(whole.body) > limit) {
			t.Fatalf("status %d, %d bytes", whole.status, len(whole.body))
		}
		parts, perr := read(max(step&0xff, 1))
		if (err == nil) != (perr == nil) || (err == nil && string(whole.body) != string(parts.body)) {
			t.Fatalf("read whole: %v, in parts: %v", err, perr)
		}
	})
}
