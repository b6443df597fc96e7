package stateway_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	stateway "github.com/stateway/stateway/lambda-sdk"
)

func TestStatusCodesAreThoseOfTheStateFunGoSDK(t *testing.T) {
	good := string(unhex(t, recorded(t)[0].Request))
	failing := string(unhex(t, find(t, "an error fails the batch").Request))
	unknown := string(unhex(t, find(t, "unknown function").Request))
	cases := []struct {
		name, method, contentType, body string
		status                          int
		text                            string
	}{
		{"a request", "POST", "application/octet-stream", good, 200, "\xaa\x06"},
		{"no content type", "POST", "", good, 200, "\xaa\x06"},
		{"GET", "GET", "", "", 405, "invalid request method"},
		{"PUT", "PUT", "application/octet-stream", good, 405, "invalid request method"},
		{"JSON", "POST", "application/json", good, 415, "invalid content type"},
		{"parameters of the content type", "POST", "application/octet-stream; q=1", good, 415, "invalid content type"},
		{"an empty body", "POST", "", "", 400, "empty request body"},
		{"no protobuf", "POST", "", "\xff", 500, "read ToFunction"},
		{"no invocation", "POST", "", "\x0a\x00", 500, "holds no invocation"},
		{"no target", "POST", "", "\xa2\x06\x00", 500, "names no function to invoke"},
		{"an unknown function", "POST", "", unknown, 500, "unknown function type golden/nobody"},
		{"a function that fails", "POST", "", failing, 500, "invoke golden/state/me, message 2 of 2: no"},
		{"a body that is too large", "POST", "", strings.Repeat("x", 1001), 413, "too large"},
	}
	app := quietApp(stateway.WithMaxRequestBytes(1000))
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			req := httptest.NewRequest(c.method, "/any/path", strings.NewReader(c.body))
			if c.contentType != "" {
				req.Header.Set("Content-Type", c.contentType)
			}
			rec := httptest.NewRecorder()
			app.ServeHTTP(rec, req)
			if rec.Code != c.status || !strings.Contains(rec.Body.String(), c.text) {
				t.Errorf("got %d %q, want %d with %q", rec.Code, rec.Body, c.status, c.text)
			}
			if got := rec.Header().Get("Content-Type"); c.status == 200 && got != "application/octet-stream" {
				t.Errorf("content type %q", got)
			}
		})
	}
}

func TestBodiesOfUnknownLength(t *testing.T) {
	server := httptest.NewServer(quietApp(stateway.WithMaxRequestBytes(1000)))
	defer server.Close()
	cases := []struct {
		name, body string
		status     int
	}{
		{"a request", string(unhex(t, recorded(t)[0].Request)), 200},
		{"nothing", "", 400},
		{"too much", strings.Repeat("x", 5000), 413},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			resp, err := http.Post(server.URL, "application/octet-stream", io.MultiReader(strings.NewReader(c.body)))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != c.status {
				t.Errorf("status %d, want %d", resp.StatusCode, c.status)
			}
		})
	}
}

func TestABodyThatBreaksOff(t *testing.T) {
	req := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("x"), broken{}))
	rec := httptest.NewRecorder()
	quietApp().ServeHTTP(rec, req)
	if rec.Code != 400 || !strings.Contains(rec.Body.String(), "hung up") {
		t.Errorf("got %d %q", rec.Code, rec.Body)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("hung up") }

// quietApp is goldenApp without a log, since its failures are meant.
func quietApp(opts ...stateway.Option) *stateway.App {
	app := stateway.New(append(opts, stateway.WithLogger(slog.New(slog.DiscardHandler)))...)
	app.Function("golden/state", goldenState, goldenB, goldenI, goldenL, goldenF, goldenD, goldenS, goldenJ)
	return app
}

func find(t *testing.T, name string) recording {
	t.Helper()
	for _, g := range recorded(t) {
		if g.Name == name {
			return g
		}
	}
	t.Fatalf("no recording %q", name)
	return recording{}
}
