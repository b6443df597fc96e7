package playground

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	egresspb "github.com/stateway/stateway/protocol/egress"
	"github.com/stateway/stateway/runtime/egress"
	"github.com/stateway/stateway/runtime/egress/egresstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func record(topic, payload string) egress.Record {
	return egress.Record{Typename: egress.TypePlaygroundRecord, Value: fmt.Appendf(nil, `{"topic":%q,"payload":%q}`, topic, payload)}
}

func TestConformance(t *testing.T) {
	egresstest.RunEmitter(t, func(*testing.T) egresstest.Emitter {
		var e *Egress
		var taken atomic.Int64
		return egresstest.Emitter{
			Open: func(t *testing.T, lanes int) egress.Emitter {
				var err error
				if e, err = New(Options{Topics: []string{"a", "b"}, Lanes: lanes, Records: 1000}); err != nil {
					t.Fatal(err)
				}
				return e
			},
			Record: func(i int) egress.Record { return record([]string{"a", "b"}[i%2], fmt.Sprint(i)) },
			Take: func(_ *testing.T, n int) int {
				for i := range n {
					code := http.StatusNotFound
					for _, path := range []string{"/a", "/b"} {
						w := httptest.NewRecorder()
						e.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
						if code = w.Code; code == http.StatusOK {
							taken.Add(1)
							break
						}
					}
					if code != http.StatusOK {
						return i
					}
				}
				return n
			},
			Outside: func(*testing.T) int { return int(taken.Load()) },
			Bad: []egress.Record{
				record("c", "x"), {Typename: "a/b", Value: []byte("x")}, {Typename: egress.TypePlaygroundRecord, Value: []byte("x")},
			},
		}
	})
}

func open(t *testing.T, topics ...string) *Egress {
	t.Helper()
	e, err := Open(Options{Addr: "127.0.0.1:0", Topics: topics})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return e
}

func (e *Egress) request(t *testing.T, method, path string) (code int, status, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+e.Addr().String()+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Status"), string(b)
}

func TestTakeOverHTTP(t *testing.T) {
	kafka, _ := proto.Marshal(&egresspb.KafkaProducerRecord{Topic: "a/b", Key: "k", ValueBytes: []byte("from kafka")})
	kinesis, _ := proto.Marshal(&egresspb.KinesisEgressRecord{Stream: "receipts", PartitionKey: "k", ValueBytes: []byte{0xff, 0}})
	e := open(t, "greetings", "receipts", "a/b")
	var done []string
	n := e.Emit(0, []egress.Record{
		record("greetings", "Hi Ann"), record("greetings", "Hi Bob"),
		{Typename: egress.TypeKafkaRecord, Value: kafka},
		{Typename: egress.TypeKinesisRecord, Value: kinesis},
	}, func(from, to int, err error) { done = append(done, fmt.Sprint(from, to, err)) })
	if n != 4 || len(done) != 0 {
		t.Fatalf("took %d, done %v", n, done)
	}
	for _, tt := range []struct {
		method, path string
		code         int
		body         string
	}{
		{"HEAD", "/greetings", 200, ""},
		{"GET", "/greetings", 200, "Hi Ann"},
		{"POST", "/greetings", 200, "Hi Bob"},
		{"GET", "/greetings", 404, ""},
		{"HEAD", "/greetings", 404, ""},
		{"GET", "/a%2Fb", 200, "from kafka"},
		{"GET", "/a/b", 404, ""},
		{"GET", "/receipts", 200, "\xff\x00"},
		{"GET", "/nothing", 405, ""},
		{"GET", "/", 405, ""},
	} {
		code, status, body := e.request(t, tt.method, tt.path)
		if code != tt.code || status != fmt.Sprint(tt.code) || body != tt.body {
			t.Errorf("%s %s: %d, Status %s, %q; want %d %q", tt.method, tt.path, code, status, body, tt.code, tt.body)
		}
	}
	if want := []string{"0 1 <nil>", "1 2 <nil>", "2 3 <nil>", "3 4 <nil>"}; !slices.Equal(done, want) {
		t.Errorf("done %v, want %v", done, want)
	}
}

func TestSingleTopicTakesAnyValue(t *testing.T) {
	e := open(t, "out")
	recs := []egress.Record{
		{Typename: "io.statefun.types/string", Value: []byte("\x0a\x02hi")},
		{Typename: egress.TypeLong, Value: []byte("\x09\x2a\x00\x00\x00\x00\x00\x00\x00")},
		{Typename: "my/json", Value: []byte(`{"a":1}`)},
	}
	for _, r := range recs {
		if err := e.Validate(r.Typename, r.Value); err != nil {
			t.Error(err)
		}
	}
	e.Emit(0, recs, func(int, int, error) {})
	for _, want := range []string{"hi", "42", `{"a":1}`} {
		if _, _, body := e.request(t, "GET", "/out"); body != want {
			t.Errorf("got %q, want %q", body, want)
		}
	}
}

func TestUnknownTopicIsNamed(t *testing.T) {
	e := open(t, "a", "b")
	r := record("c", "x")
	if err := e.Validate(r.Typename, r.Value); err == nil || err.Error() != `topic "c" is not one of the playground egress: a, b` {
		t.Error(err)
	}
	if err := e.Validate("my/json", nil); err == nil || !strings.Contains(err.Error(), "names no topic") {
		t.Error(err)
	}
	// A row that an older module let through: refused, not lost, not in the way.
	var got error
	if n := e.Emit(0, []egress.Record{r}, func(_, _ int, err error) { got = err }); n != 1 || !errors.Is(got, egress.ErrRefused) {
		t.Errorf("took %d, %v", n, got)
	}
	if open := e.window.Open(0); open != 0 {
		t.Errorf("%d records open", open)
	}
}

// brokenWriter is a connection that the client has left.
type brokenWriter struct{ *httptest.ResponseRecorder }

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestRecordThatDidNotLeaveIsNext(t *testing.T) {
	e, err := New(Options{Topics: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	done := 0
	e.Emit(0, []egress.Record{record("a", "1"), record("a", "2")}, func(int, int, error) { done++ })
	for range 2 {
		e.ServeHTTP(brokenWriter{httptest.NewRecorder()}, httptest.NewRequest("GET", "/a", nil))
	}
	if done != 0 {
		t.Error("a record that did not leave is done")
	}
	for _, want := range []string{"1", "2"} {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest("GET", "/a", nil))
		if w.Body.String() != want {
			t.Errorf("got %q, want %q", w.Body, want)
		}
	}
}

// hastyClient is gone as soon as it has the whole answer, as curl is.
type hastyClient struct {
	*httptest.ResponseRecorder
	leave func()
}

func (c hastyClient) Flush() {
	c.ResponseRecorder.Flush()
	c.leave()
}

func TestRecordIsTakenOnceWhenTheClientLeavesAtOnce(t *testing.T) {
	e, err := New(Options{Topics: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	done := 0
	e.Emit(0, []egress.Record{record("a", "x")}, func(from, to int, err error) {
		if err == nil {
			done += to - from
		}
	})
	ctx, leave := context.WithCancel(t.Context())
	c := hastyClient{httptest.NewRecorder(), leave}
	e.ServeHTTP(c, httptest.NewRequestWithContext(ctx, "GET", "/a", http.NoBody))
	if c.Body.String() != "x" || done != 1 || e.Len("a") != 0 {
		t.Errorf("got body %q, %d done, %d left; want the record once", c.Body, done, e.Len("a"))
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func TestRecordStaysWhenTheClientLeftBefore(t *testing.T) {
	e, err := New(Options{Topics: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	e.Emit(0, []egress.Record{record("a", "x")}, func(int, int, error) {})
	ctx, leave := context.WithCancel(t.Context())
	leave()
	e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/a", http.NoBody))
	if e.Len("a") != 1 {
		t.Errorf("%d records left, want the one that nobody took", e.Len("a"))
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func TestQueueKeepsOrderThroughCompaction(t *testing.T) {
	var q queue
	next := 0
	for i := range 1000 {
		q.push(entry{index: i})
		if i%3 == 0 {
			continue
		}
		x, _ := q.pop()
		if i%5 == 0 {
			q.putBack(x)
			continue
		}
		if x.index != next {
			t.Fatalf("popped %d, want %d", x.index, next)
		}
		next++
	}
	for q.len() > 0 {
		if x, _ := q.pop(); x.index != next {
			t.Fatalf("popped %d, want %d", x.index, next)
		}
		next++
	}
	if next != 1000 {
		t.Errorf("%d popped", next)
	}
}

func TestBadOptions(t *testing.T) {
	if _, err := New(Options{Lanes: -1}); err == nil || !strings.Contains(err.Error(), "topics") || !strings.Contains(err.Error(), "Lanes") {
		t.Error(err)
	}
	e := open(t, "a")
	if _, err := Open(Options{Addr: e.Addr().String(), Topics: []string{"a"}}); err == nil || !strings.Contains(err.Error(), "port taken") {
		t.Error(err)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add("/a%2Fb", "a/b")
	f.Add("/%zz", "a")
	f.Fuzz(func(t *testing.T, path, topic string) {
		got, ok := topicOfPath(path)
		if ok && strings.Contains(got, "\x00") && !strings.Contains(path, "%00") && !strings.Contains(path, "\x00") {
			t.Errorf("%q became %q", path, got)
		}
		e, err := New(Options{Topics: []string{topic}})
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path, r.URL.RawPath = path, ""
		e.ServeHTTP(w, r)
		if w.Code != 404 && w.Code != 405 {
			t.Errorf("%q: %d", path, w.Code)
		}
	})
}
