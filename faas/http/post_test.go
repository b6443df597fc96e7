package http

import (
	"bytes"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/runtime/core"
)

// letter is a Request with a body of its own.
type letter struct {
	body    []byte
	tr      *trace.Context
	answers chan *Answer

	budget, patience time.Duration
}

func (*letter) Function() core.FunctionType { return "ns/name" }
func (*letter) ContentType() string         { return "text/x-letter" }

func (l *letter) Budget() time.Duration   { return l.budget }
func (l *letter) Patience() time.Duration { return l.patience }

func (l *letter) Trace() *trace.Context  { return l.tr }
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

// The wait for the first byte costs nothing of the budget, as long as patience lasts; from then on the budget counts, however much patience is left.
func TestPatienceEndsWithTheFirstByte(t *testing.T) {
	const budget, longer = 500 * time.Millisecond, 700 * time.Millisecond
	released := make(chan struct{})
	s := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path != "/stalls" {
			time.Sleep(longer)
		}
		_, _ = io.WriteString(w, "an answer")
		if r.URL.Path != "/late" {
			_ = nethttp.NewResponseController(w).Flush()
			<-released
		}
	}))
	s.Config.Protocols = new(nethttp.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	defer s.Close()
	defer close(released)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	for name, http2 := range map[string]bool{"own connections": false, "net/http": true} {
		for _, c := range []struct {
			path     string
			patience time.Duration
			want     string // part of the reason
		}{
			{"/late", time.Hour, ""},
			{"/late", 0, "no answer within the call budget of 500ms"},
			{"/late", time.Millisecond, "no answer within the call budget of 500ms and 1ms for a cold start"},
			{"/stalls", time.Hour, "no answer within the call budget"},
			{"/late-and-stalls", time.Hour, "no answer within the call budget"},
		} {
			client, err := New(Config{URL: s.URL + c.path, HTTP2: http2}, nil)
			if err != nil {
				t.Fatal(err)
			}
			tasks.Go(func() {
				defer client.Close()
				l := &letter{budget: budget, patience: c.patience, answers: make(chan *Answer, 1)}
				client.Post(l)
				if a := <-l.answers; !strings.Contains(a.Reason, c.want) || (a.Reason == "") != (c.want == "") || a.Trouble {
					t.Errorf("%s, %s with patience of %s: %+v", name, c.path, c.patience, a)
				}
			})
		}
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

// The trace context of an invocation travels as a header, by every way: connections of our own, net/http, behind a redirect. A request without one has no such
// header, also when the one before had.
func TestTraceparent(t *testing.T) {
	const want = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	heads := make(chan nethttp.Header, 1)
	handler := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/away" {
			nethttp.Redirect(w, r, "/", nethttp.StatusTemporaryRedirect)
			return
		}
		heads <- r.Header
		w.Header().Set("Content-Type", octetStream)
		_, _ = w.Write(okBody)
	})
	s := httptest.NewUnstartedServer(handler)
	s.Config.Protocols = new(nethttp.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	defer s.Close()
	for name, cfg := range map[string]Config{
		"own connections": {URL: s.URL},
		"net/http":        {URL: s.URL, HTTP2: true},
		"redirected":      {URL: s.URL + "/away", Transport: OkHTTP},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCaller(t, cfg)
			for _, tr := range []*trace.Context{nil, trace.Parse(want), nil} {
				inv := invocation("Kim")
				inv.Messages = append(inv.Messages, &core.Message{Arg: inv.Messages[0].Arg, Trace: tr})
				if o := c.call(inv); o.Class != core.OutcomeOK {
					t.Fatal(o.Reason)
				}
				if got := (<-heads).Values("Traceparent"); strings.Join(got, " ") != tr.String() {
					t.Errorf("an invocation with %q: got %q", tr, got)
				}
				l := &letter{body: []byte("x"), tr: tr, answers: make(chan *Answer, 1)}
				c.Post(l)
				if a := <-l.answers; a.Reason != "" {
					t.Fatal(a.Reason)
				}
				if got := (<-heads).Values("Traceparent"); strings.Join(got, " ") != tr.String() {
					t.Errorf("a request with %q: got %q", tr, got)
				}
			}
		})
	}
}
