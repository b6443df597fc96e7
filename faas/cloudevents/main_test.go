package cloudevents_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stateway/stateway/faas/cloudevents"
	"github.com/stateway/stateway/faas/endpoint"
	faashttp "github.com/stateway/stateway/faas/http"
	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/protocol/wire"
	"github.com/stateway/stateway/runtime/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counter is an application of the SDK whose function test/counter counts its messages; one Address fails.
func counter(tb testing.TB) *stateway.App {
	tb.Helper()
	count := stateway.Value[int64]("count")
	app := stateway.New(stateway.WithLogger(slog.New(slog.DiscardHandler)))
	app.Function("test/counter", func(ctx *stateway.Context, _ stateway.Message) error {
		n, err := count.Get(ctx)
		if err != nil {
			return err
		}
		if ctx.Self().ID == "poison" {
			return errors.New("this one fails")
		}
		count.Set(ctx, n+1)
		return nil
	}, count)
	return app
}

// rig is a Transport whose results are waited for.
type rig struct {
	*cloudevents.Transport
	results chan endpoint.GroupResult
}

func newRig(tb testing.TB, cfg cloudevents.Config) *rig {
	tb.Helper()
	r := &rig{results: make(chan endpoint.GroupResult, 1000)}
	if cfg.Source == "" {
		cfg.Source = "stateway:test"
	}
	if cfg.HTTP.Call == 0 {
		cfg.HTTP.Call = 20 * time.Second
	}
	t, err := cloudevents.New(cfg, func(results []endpoint.GroupResult) {
		for _, res := range results {
			r.results <- res
		}
	})
	if err != nil {
		tb.Fatal(err)
	}
	r.Transport = t
	tb.Cleanup(t.Close)
	return r
}

// at is the config for a server at a URL.
func at(url string) cloudevents.Config {
	return cloudevents.Config{HTTP: faashttp.Config{URL: url}}
}

// ask sends a group and waits for what becomes of it.
func (r *rig) ask(tb testing.TB, g *core.Group) core.GroupOutcome {
	tb.Helper()
	r.Send([]*core.Group{g})
	select {
	case res := <-r.results:
		if res.Group != g {
			tb.Fatal("another group was answered")
		}
		return res.Outcome
	case <-time.After(time.Minute):
		tb.Fatal("no answer")
		return core.GroupOutcome{}
	}
}

var tries uint64

var triesMu sync.Mutex

// groupOf makes a group of Addresses of test/counter.
func groupOf(ids ...string) *core.Group {
	triesMu.Lock()
	defer triesMu.Unlock()
	g := &core.Group{}
	for _, id := range ids {
		tries++
		g.Items = append(g.Items, &core.Invocation{
			Try: core.TryID{Generation: 3, Nonce: 0xabc, Worker: 1, N: tries}, Attempt: 1,
			Target: core.Address{Type: "test/counter", ID: id}, States: []core.NamedValue{{Name: "count"}},
			Messages: []*core.Message{{Arg: wire.AppendTypedValue(nil, "io.statefun.types/int", []byte{8, 1})}},
		})
	}
	return g
}

// many are n ids.
func many(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = strconv.Itoa(i)
	}
	return ids
}

// counted fails the test unless every item was counted.
func counted(tb testing.TB, o core.GroupOutcome, n int) {
	tb.Helper()
	if o.Class != core.GroupAnswered || len(o.Items) != n {
		tb.Fatalf("got %d with %d items (%s), want an answer of %d", o.Class, len(o.Items), o.Reason, n)
	}
	for i := range o.Items {
		if r := o.Items[i].Response; r == nil || len(r.Mutations) != 1 {
			tb.Fatalf("item %d: %+v", i, o.Items[i])
		}
	}
}

// recorder notes what is asked of a handler.
type recorder struct {
	http.Handler
	mu   sync.Mutex
	seen []string
}

func (h *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind := "plain"
	if enc, ok := group.OfContentType(r.Header.Get("Content-Type")); ok {
		kind = enc.String()
	}
	h.mu.Lock()
	h.seen = append(h.seen, kind)
	h.mu.Unlock()
	h.Handler.ServeHTTP(w, r)
}

// take returns what was asked since the last call.
func (h *recorder) take() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := strings.Join(h.seen, " ")
	h.seen = nil
	return s
}

// quiet answers as the SDK does, without the announcement.
func quiet(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		for name, values := range rec.Header() {
			if name != group.Header {
				w.Header()[name] = values
			}
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

// announced serves one plain request with an announcement, and leaves the rest to h.
func announced(t *testing.T, encodings group.Encodings, h http.HandlerFunc) http.Handler {
	app := quiet(counter(t))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, isGroup := group.OfContentType(r.Header.Get("Content-Type")); isGroup {
			h(w, r)
			return
		}
		w.Header().Set(group.Header, group.Announce(encodings))
		app.ServeHTTP(w, r)
	})
}

// calls reads the group that is asked.
func calls(t *testing.T, r *http.Request) (group.Encoding, []group.Call) {
	t.Helper()
	enc, _ := group.OfContentType(r.Header.Get("Content-Type"))
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return enc, nil
	}
	cs, err := group.ParseCalls(enc, bytes.Clone(body), nil)
	if err != nil {
		t.Errorf("bad group: %v", err)
	}
	return enc, cs
}

// answer writes answers.
func answer(w http.ResponseWriter, enc group.Encoding, answers ...group.Answer) {
	var e group.Encoder
	e.Reset(enc, nil, 0)
	for i := range answers {
		answers[i].Source = "test"
		e.AddAnswer(&answers[i])
	}
	w.Header().Set("Content-Type", enc.ContentType())
	_, _ = w.Write(e.Finish())
}
