package cloudevents_test

import (
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stateway/stateway/faas/cloudevents"
	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/runtime/core"
)

// serve starts a server that notes what it is asked.
func serve(t *testing.T, h http.Handler) (*recorder, string) {
	t.Helper()
	rec := &recorder{Handler: h}
	s := httptest.NewServer(rec)
	t.Cleanup(s.Close)
	return rec, s.URL
}

// The first request is a plain one; its answer announces groups, which then travel in the densest encoding.
func TestAnnouncement(t *testing.T) {
	rec, url := serve(t, counter(t))
	r := newRig(t, at(url))
	o := r.ask(t, groupOf("a"))
	counted(t, o, 1)
	if seen := rec.take(); seen != "plain" || o.Together < 1000 {
		t.Errorf("first asked %q, then %d together", seen, o.Together)
	}
	counted(t, r.ask(t, groupOf(many(1000)...)), 1000)
	if seen := rec.take(); seen != "protobuf" {
		t.Errorf("asked %q, want one group", seen)
	}
}

// A server that announces nothing gets one invocation a request, for ever, also when it gets several at a time.
func TestPlainServer(t *testing.T) {
	rec, url := serve(t, quiet(counter(t)))
	r := newRig(t, at(url))
	for range 3 {
		o := r.ask(t, groupOf("a", "b", "c"))
		counted(t, o, 3)
		if seen := rec.take(); seen != "plain plain plain" || o.Together != 1 {
			t.Errorf("asked %q, then %d together", seen, o.Together)
		}
	}
	o := r.ask(t, groupOf("a", "poison"))
	if o.Class != core.GroupAnswered || o.Items[0].Response == nil || o.Items[1].Class != core.OutcomeFailed || !strings.Contains(o.Items[1].Reason, "this one fails") {
		t.Errorf("got %+v", o)
	}
}

// One bad item fails alone.
func TestPoison(t *testing.T) {
	_, url := serve(t, counter(t))
	r := newRig(t, at(url))
	counted(t, r.ask(t, groupOf("a")), 1)
	o := r.ask(t, groupOf("a", "poison", "b"))
	if o.Class != core.GroupAnswered || o.Items[0].Response == nil || o.Items[2].Response == nil {
		t.Fatalf("got %+v", o)
	}
	if p := o.Items[1]; p.Class != core.OutcomeFailed || p.Final || !p.Answered || !strings.Contains(p.Reason, "this one fails") {
		t.Errorf("the poison item: %+v", p)
	}
}

// What was announced is forgotten when another version of the server is deployed that does not know it, whatever it answers to a group.
func TestRedeploys(t *testing.T) {
	refuse := func(status int) http.HandlerFunc {
		plain := quiet(counter(t))
		return func(w http.ResponseWriter, r *http.Request) {
			if _, isGroup := group.OfContentType(r.Header.Get("Content-Type")); isGroup {
				http.Error(w, "what is this?", status)
				return
			}
			plain.ServeHTTP(w, r)
		}
	}
	jsonOnly := announced(t, group.Encodings(0).With(group.JSON), func(w http.ResponseWriter, r *http.Request) {
		enc, _ := group.OfContentType(r.Header.Get("Content-Type"))
		if enc != group.JSON {
			http.Error(w, "no", http.StatusUnsupportedMediaType)
			return
		}
		w.Header().Set(group.Header, group.Announce(group.Encodings(0).With(group.JSON)))
		quiet(counter(t)).ServeHTTP(w, r)
	})
	for _, tt := range []struct {
		name  string
		next  http.Handler
		asked []string // for a group of two, and what it becomes
		last  string   // afterwards
	}{
		{"415 leads back to plain requests at once", refuse(415), []string{"protobuf json plain plain"}, "plain"},
		{"another refusal does when a single item is left", refuse(500), []string{"protobuf json", "protobuf plain"}, "plain"},
		{"an older version knows JSON only", jsonOnly, []string{"protobuf json"}, "json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var now atomic.Value
			rec, url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { now.Load().(http.HandlerFunc)(w, r) }))
			now.Store(http.HandlerFunc(counter(t).ServeHTTP))
			r := newRig(t, at(url))
			counted(t, r.ask(t, groupOf("a")), 1)
			rec.take()
			now.Store(http.HandlerFunc(tt.next.ServeHTTP))
			o := r.ask(t, groupOf("a", "b"))
			if seen := rec.take(); seen != tt.asked[0] {
				t.Errorf("asked %q, want %q", seen, tt.asked[0])
			}
			for _, want := range tt.asked[1:] {
				if o.Class != core.GroupFailed {
					t.Errorf("got %+v", o)
				}
				o = r.ask(t, groupOf("a"))
				if seen := rec.take(); seen != want {
					t.Errorf("asked %q, want %q", seen, want)
				}
			}
			counted(t, o, len(o.Items))
			counted(t, r.ask(t, groupOf("a")), 1)
			if seen := rec.take(); seen != tt.last {
				t.Errorf("at last asked %q, want %q", seen, tt.last)
			}
		})
	}
}

// What a status, or its lack, says of a group.
func TestClasses(t *testing.T) {
	status := func(code int, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			http.Error(w, "because", code)
		}
	}
	for _, tt := range []struct {
		name      string
		serve     http.HandlerFunc
		class     core.GroupClass
		after     core.Millis
		throttled bool
		reason    string
	}{
		{"429 is throttling", status(429, "Retry-After", "7"), core.GroupTrouble, 7000, true, "429"},
		{"502 is trouble", status(502), core.GroupTrouble, 0, false, "502"},
		{"503 is trouble, and says how long", status(503, "Retry-After", "2"), core.GroupTrouble, 2000, false, "503"},
		{"504 is trouble", status(504), core.GroupTrouble, 0, false, "504"},
		{"413 is too large", status(413), core.GroupTooLarge, 0, false, "413"},
		{"500 has failed", status(500), core.GroupFailed, 0, false, "500"},
		{"404 has failed", status(404), core.GroupFailed, 0, false, "404"},
		{"a redirect has failed", status(302, "Location", "/elsewhere"), core.GroupFailed, 0, false, "302"},
		{"204 is no answer", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, core.GroupFailed, 0, false, "status 204"},
		{"another content type is no answer", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html>"))
		}, core.GroupFailed, 0, false, "text/html"},
		{"what cannot be read is no answer", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", group.ContentTypeJSON)
			_, _ = w.Write([]byte(`[{"id":`))
		}, core.GroupFailed, 0, false, "malformed"},
		{"a connection that is lost has failed", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, core.GroupFailed, 0, false, "closed the connection"},
		{"an answer that breaks off has failed", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", group.ContentTypeJSON)
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`[{"id":"1"`))
		}, core.GroupFailed, 0, false, "closed the connection"},
		{"an answer that is larger than the limit is too large", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", group.ContentTypeJSON)
			_, _ = w.Write(make([]byte, 1<<20))
		}, core.GroupTooLarge, 0, false, "payload_max_bytes"},
		{"so is one that is larger when it is decompressed", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", group.ContentTypeJSON)
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(make([]byte, 1<<20))
			_ = z.Close()
		}, core.GroupTooLarge, 0, false, "when decompressed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, url := serve(t, announced(t, group.Encodings(0).With(group.JSON), tt.serve))
			cfg := at(url)
			cfg.HTTP.PayloadMaxBytes = 64 << 10
			r := newRig(t, cfg)
			counted(t, r.ask(t, groupOf("a")), 1)
			o := r.ask(t, groupOf("a", "b"))
			if o.Class != tt.class || o.RetryAfter != tt.after || o.Throttled != tt.throttled || !strings.Contains(o.Reason, tt.reason) {
				t.Errorf("got %+v", o)
			}
		})
	}
}

// The same for plain requests, whose status is that of their item.
func TestPlainClasses(t *testing.T) {
	for _, tt := range []struct {
		status    int
		class     core.GroupClass
		item      core.OutcomeClass
		throttled bool
	}{
		{429, core.GroupTrouble, 0, true},
		{503, core.GroupTrouble, 0, false},
		{413, core.GroupTooLarge, 0, false},
		{500, core.GroupAnswered, core.OutcomeFailed, false},
	} {
		_, url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(tt.status) }))
		o := newRig(t, at(url)).ask(t, groupOf("a"))
		if o.Class != tt.class || o.Throttled != tt.throttled || o.Together != 1 {
			t.Errorf("%d: got %+v", tt.status, o)
		}
		if len(o.Items) > 0 && (o.Items[0].Class != tt.item || o.Items[0].Answered) { // a status may mean anything
			t.Errorf("%d: got %+v", tt.status, o)
		}
	}
}

// Nobody listens: that is the endpoint's trouble.
func TestNobodyListens(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	url := s.URL
	s.Close()
	if o := newRig(t, at(url)).ask(t, groupOf("a")); o.Class != core.GroupTrouble || !strings.Contains(o.Reason, "refused") {
		t.Errorf("got %+v", o)
	}
}

// Items are answered by their ids; what answers nothing is counted, and what is not answered stays open.
func TestStrayAnswers(t *testing.T) {
	_, url := serve(t, announced(t, group.Encodings(0).With(group.JSON), func(w http.ResponseWriter, r *http.Request) {
		enc, cs := calls(t, r)
		answer(w, enc,
			group.Answer{ID: cs[4].ID, Kind: group.RetryAfter, RetryAfterMillis: 1500, Message: "busy"},
			group.Answer{ID: cs[0].ID, Kind: group.Result},
			group.Answer{ID: cs[0].ID, Kind: group.Poison, Message: "a second answer"},
			group.Answer{ID: "2-abc-1-1", Kind: group.Result},
			group.Answer{ID: "nonsense", Kind: group.Result},
			group.Answer{ID: cs[2].ID, Kind: group.Retry},
			group.Answer{ID: cs[3].ID, Kind: group.Result, Data: []byte("no protobuf")},
		)
	}))
	r := newRig(t, at(url))
	counted(t, r.ask(t, groupOf("a")), 1)
	o := r.ask(t, groupOf(many(5)...))
	if o.Class != core.GroupAnswered || o.Stray != 3 || len(o.Items) != 5 {
		t.Fatalf("got %+v", o)
	}
	if it := o.Items[0]; it.Class != core.OutcomeOK || it.Response == nil {
		t.Errorf("answered: %+v", it)
	}
	if it := o.Items[1]; it.Class != core.OutcomeOK || it.Response != nil {
		t.Errorf("not answered: %+v", it)
	}
	if it := o.Items[2]; it.Class != core.OutcomeTrouble || it.RetryAfter != 0 {
		t.Errorf("retry: %+v", it)
	}
	if it := o.Items[3]; it.Class != core.OutcomeFailed || !strings.Contains(it.Reason, "FromFunction") {
		t.Errorf("no protobuf: %+v", it)
	}
	if it := o.Items[4]; it.Class != core.OutcomeTrouble || it.RetryAfter != 1500 || !strings.Contains(it.Reason, "busy") {
		t.Errorf("retryafter: %+v", it)
	}
}

// An item says all that a server has to know.
func TestItems(t *testing.T) {
	_, url := serve(t, announced(t, group.Encodings(0).With(group.JSON), func(w http.ResponseWriter, r *http.Request) {
		enc, cs := calls(t, r)
		for i, want := range []int64{20_000, 700} {
			if c := cs[i]; c.TimeoutMillis != want || c.Generation != 3 || c.Attempt != 1 || c.Source != "stateway:test" || !strings.HasPrefix(c.ID, "3-abc-1-") {
				t.Errorf("item %d: %+v", i, c)
			}
		}
		answer(w, enc, group.Answer{ID: cs[0].ID, Kind: group.Result}, group.Answer{ID: cs[1].ID, Kind: group.Result})
	}))
	r := newRig(t, at(url))
	counted(t, r.ask(t, groupOf("a")), 1)
	g := groupOf("a", "b")
	g.Items[1].Budget = 700
	if o := r.ask(t, g); o.Class != core.GroupAnswered {
		t.Errorf("got %+v", o)
	}
}

// A server that is slow to answer has the items' time and the allowance; a cold one has patience on top, which nobody's budget pays.
func TestColdStart(t *testing.T) {
	var slow atomic.Int64
	app := counter(t)
	_, url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Duration(slow.Load()))
		app.ServeHTTP(w, r)
	}))
	cfg := at(url)
	cfg.HTTP.Call, cfg.Allowance = 50*time.Millisecond, 50*time.Millisecond
	cfg.Patience, cfg.Idle = time.Minute, time.Hour
	r := newRig(t, cfg)
	slow.Store(int64(400 * time.Millisecond))
	o := r.ask(t, groupOf("a"))
	counted(t, o, 1)
	if o.Waited < 200 {
		t.Errorf("%d ms are no part of the budget, want about 350", o.Waited)
	}
	if o = r.ask(t, groupOf("a", "b")); o.Class != core.GroupFailed || !strings.Contains(o.Reason, "no answer within") {
		t.Errorf("a server that is warm: %+v", o)
	}
}

// Close ends what is under way, and nothing comes after it.
func TestClose(t *testing.T) {
	asked := make(chan struct{}, 10)
	release := make(chan struct{})
	_, url := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-release
	}))
	r := newRig(t, at(url))
	r.Send([]*core.Group{groupOf("a", "b")})
	<-asked
	r.Close()
	n := len(r.results)
	close(release)
	r.Send([]*core.Group{groupOf("c")})
	if len(r.results) != n {
		t.Error("a result after Close")
	}
}

// A URL that cannot be is refused at once; a name that makes no URL is its item's failure.
func TestBadURLs(t *testing.T) {
	if _, err := cloudevents.New(at("htp://x"), nil); err == nil {
		t.Error("htp:// is taken")
	}
	r := newRig(t, at("http://{function.name}.test/"))
	g := groupOf("a")
	g.Items[0].Target.Type = "test/a?b"
	if o := r.ask(t, g); o.Class != core.GroupAnswered || o.Items[0].Class != core.OutcomeFailed {
		t.Errorf("got %+v", o)
	}
}
