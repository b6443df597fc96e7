package http

import (
	"bufio"
	"io"
	"net"
	"testing"

	"github.com/stateway/stateway/runtime/core"
)

// A server that says more than it was asked must not have that taken for the answer to the next request, which is
// another Address's.
func TestBytesThatComeBetweenRequestsAreNoAnswer(t *testing.T) {
	other := ok200(string(bigAnswer([]byte("of another Address"))))
	for name, first := range map[string]string{
		"a second answer":   okAnswer(),
		"a 204 with a body": "HTTP/1.1 204 No Content\r\nContent-Length: 99\r\n\r\n",
		"a 204 in chunks":   "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			answered, sent := make(chan struct{}), make(chan struct{})
			s := newScript(t, func(n int, c net.Conn, r *bufio.Reader) {
				if n > 1 {
					always(okAnswer())(n, c, r)
					return
				}
				readRequest(r)
				io.WriteString(c, first)
				<-answered
				io.WriteString(c, other)
				close(sent)
				readRequest(r)
			})
			c := newCaller(t, Config{URL: s.url})
			if o := c.call(invocation("Kim")); o.Class != core.OutcomeOK {
				t.Errorf("got %v %q", o.Class, o.Reason)
			}
			close(answered)
			<-sent
			o := c.call(invocation("Lee"))
			if o.Class != core.OutcomeOK || len(o.Response.Mutations) != 1 || o.Response.Mutations[0].Name != "count" {
				t.Errorf("got %+v, want the answer to the second request", o)
			}
		})
	}
}
