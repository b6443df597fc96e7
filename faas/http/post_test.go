package http

import (
	"bytes"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

// letter is a Request with a body of its own.
type letter struct {
	body    []byte
	answers chan *Answer
}

func (*letter) Function() core.FunctionType { return "ns/name" }
func (*letter) ContentType() string         { return "text/x-letter" }
func (*letter) Budget() time.Duration       { return 0 }

func (l *letter) Append(b []byte) []byte { return append(b, l.body...) }
func (l *letter) Answered(a *Answer)     { l.answers <- a }

// A Request arrives whole, whatever its size, over connections of our own, over net/http, and where it is redirected; of its answer everything
// is told.
func TestPost(t *testing.T) {
	s := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, err := io.ReadAll(r.Body)
		switch {
		case err != nil || r.Header.Get("Content-Type") != "text/x-letter" || r.ContentLength != int64(len(body)):
			w.WriteHeader(nethttp.StatusBadRequest)
		case r.URL.Path == "/away":
			nethttp.Redirect(w, r, "/", nethttp.StatusTemporaryRedirect)
		default:
			w.Header().Add("Stateway-Group", "one")
			w.Header().Add("stateway-group", "two")
			w.Header().Set("Content-Type", "text/x-answer")
			_, _ = w.Write(body)
		}
	}))
	defer s.Close()
	for name, cfg := range map[string]Config{
		"own connections": {URL: s.URL},
		"redirected":      {URL: s.URL + "/away", Transport: OkHTTP},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := New(cfg, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for _, size := range []int{0, 1, 9, 10, 1000, 1 << 20} {
				l := &letter{body: bytes.Repeat([]byte("x"), size), answers: make(chan *Answer, 1)}
				c.Post(l)
				a := <-l.answers
				if a.Status != 200 || a.Reason != "" || !bytes.Equal(a.Body, l.body) || a.ContentType != "text/x-answer" || strings.Join(a.Group, " ") != "one two" {
					t.Errorf("%d bytes: status %d, %d bytes of %s, %q, group %q", size, a.Status, len(a.Body), a.ContentType, a.Reason, a.Group)
				}
			}
		})
	}
}

// After Close nothing is sent, and nothing is answered.
func TestPostAfterClose(t *testing.T) {
	c, err := New(Config{URL: "http://127.0.0.1:1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := &letter{answers: make(chan *Answer, 1)}
	c.Post(l)
	if a := <-l.answers; !a.Trouble || a.Status != 0 || a.Reason == "" {
		t.Errorf("nobody listens: %+v", a)
	}
	c.Close()
	c.Post(l)
	if len(l.answers) != 0 {
		t.Error("answered after Close")
	}
}
