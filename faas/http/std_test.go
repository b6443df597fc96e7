package http

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

func writeFile(tb testing.TB, name string, content []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// tlsServer serves over TLS, with HTTP/2 if asked for, and returns the path of its CA.
func tlsServer(tb testing.TB, h2 bool, handler nethttp.HandlerFunc, config *tls.Config) (*httptest.Server, string) {
	tb.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.EnableHTTP2 = h2
	s.TLS = config
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	tb.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return s, writeFile(tb, "ca.pem", ca)
}

func answerOK(w nethttp.ResponseWriter, r *nethttp.Request) {
	io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", octetStream)
	w.Write(okBody)
}

func TestTLS(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		var proto atomic.Value
		s, ca := tlsServer(t, h2, func(w nethttp.ResponseWriter, r *nethttp.Request) {
			proto.Store(r.Proto + " " + r.Method + " " + r.RequestURI + " " + r.Header.Get("User-Agent") + r.Header.Get("Idempotency-Key"))
			answerOK(w, r)
		}, nil)
		c := newCaller(t, Config{URL: s.URL + "/{function.name}?q=%20", TrustCACerts: "file:" + ca})
		for range 3 {
			if o := c.call(invocation("Kim")); o.Class != core.OutcomeOK || len(o.Response.Mutations) != 1 {
				t.Errorf("got %v %q", o.Class, o.Reason)
			}
		}
		want := "HTTP/1.1 POST /counter?q=%20 statefun"
		if h2 {
			want = strings.Replace(want, "1.1", "2.0", 1)
		}
		if got := proto.Load(); got != want {
			t.Errorf("server saw %q, want %q", got, want)
		}
	}
}

func TestTLSFailuresAreTheEndpointsTrouble(t *testing.T) {
	s, _ := tlsServer(t, true, answerOK, nil)
	plain := newScript(t, func(_ int, c net.Conn, r *bufio.Reader) { io.WriteString(c, "no TLS here\r\n\r\n"); r.ReadByte() })
	for _, u := range []string{s.URL, strings.Replace(plain.url, "http:", "https:", 1), "https://127.0.0.1:1/"} {
		o := newCaller(t, Config{URL: u, Connect: 5 * time.Second}).call(invocation("Kim"))
		if o.Class != core.OutcomeTrouble || !strings.Contains(o.Reason, "no connection") {
			t.Errorf("%s: got %v %q", u, o.Class, o.Reason)
		}
	}
}

func TestTLSAnswers(t *testing.T) {
	hang := make(chan struct{})
	s, ca := tlsServer(t, true, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		switch r.URL.Path {
		case "/500":
			nethttp.Error(w, "boom", 500)
		case "/503":
			w.Header().Set("Retry-After", "2")
			nethttp.Error(w, "later", nethttp.StatusServiceUnavailable)
		case "/html":
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "hello")
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Type", octetStream)
			io.WriteString(w, packed(t, "gzip", okBody))
		case "/large":
			w.Header().Set("Content-Type", octetStream)
			w.Write(make([]byte, 2<<20))
		case "/redirect":
			nethttp.Redirect(w, r, "/ok", nethttp.StatusTemporaryRedirect)
		case "/hang":
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		case "/abort":
			panic(nethttp.ErrAbortHandler)
		default:
			answerOK(w, r)
		}
	}, nil)
	t.Cleanup(func() { close(hang) })
	tests := []struct {
		path   string
		class  core.OutcomeClass
		reason string
		after  core.Millis
	}{
		{"/ok", core.OutcomeOK, "", 0},
		{"/500", core.OutcomeFailed, "status 500 Internal Server Error: \"boom\"", 0},
		{"/503", core.OutcomeTrouble, "status 503", 2000},
		{"/html", core.OutcomeFailed, "content type \"text/html\"", 0},
		{"/gzip", core.OutcomeOK, "", 0},
		{"/large", core.OutcomeFailed, "larger than payload_max_bytes", 0},
		{"/redirect", core.OutcomeFailed, "status 307", 0},
		{"/hang", core.OutcomeFailed, "no answer within the call budget of 1.5s", 0},
		{"/abort", core.OutcomeFailed, "POST ", 0},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			cfg := Config{URL: s.URL + tt.path, TrustCACerts: ca, PayloadMaxBytes: 1 << 20, Call: 10 * time.Second}
			if tt.path == "/hang" {
				cfg.Call = 1500 * time.Millisecond // for a slow machine to shake hands
			}
			o := newCaller(t, cfg).call(invocation("Kim"))
			if o.Class != tt.class || !strings.Contains(o.Reason, tt.reason) || o.RetryAfter != tt.after {
				t.Errorf("got %v %q after %d", o.Class, o.Reason, o.RetryAfter)
			}
		})
	}
	o := newCaller(t, Config{URL: s.URL + "/hang", TrustCACerts: ca, Transport: OkHTTP, Read: 200 * time.Millisecond}).call(invocation("Kim"))
	if o.Class != core.OutcomeFailed {
		t.Errorf("read limit: got %v %q", o.Class, o.Reason)
	}
}

func TestRedirectsOfOkHTTP(t *testing.T) {
	mux := nethttp.NewServeMux()
	mux.HandleFunc("/old", func(w nethttp.ResponseWriter, r *nethttp.Request) {
		nethttp.Redirect(w, r, "/new", nethttp.StatusPermanentRedirect)
	})
	mux.HandleFunc("/new", answerOK)
	s := httptest.NewServer(mux)
	defer s.Close()
	if o := newCaller(t, Config{URL: s.URL + "/old", Transport: OkHTTP}).call(invocation("Kim")); o.Class != core.OutcomeOK {
		t.Errorf("okhttp: got %v %q", o.Class, o.Reason)
	}
	if o := newCaller(t, Config{URL: s.URL + "/old"}).call(invocation("Kim")); o.Class != core.OutcomeFailed {
		t.Errorf("async: got %v %q", o.Class, o.Reason)
	}
}

func TestProxy(t *testing.T) {
	target := httptest.NewServer(nethttp.HandlerFunc(answerOK))
	defer target.Close()
	u, _ := url.Parse(target.URL)
	var seen atomic.Int32
	proxy := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		seen.Add(1)
		p := &httputil.ReverseProxy{Rewrite: func(pr *httputil.ProxyRequest) { pr.SetURL(u) }}
		p.ServeHTTP(w, r)
		nethttp.DefaultTransport.(*nethttp.Transport).CloseIdleConnections()
	}))
	defer proxy.Close()
	pu, _ := url.Parse(proxy.URL)
	if o := newCaller(t, Config{URL: "http://behind.invalid/fn", Proxy: pu}).call(invocation("Kim")); o.Class != core.OutcomeOK || seen.Load() != 1 {
		t.Errorf("got %v %q, proxy saw %d", o.Class, o.Reason, seen.Load())
	}
}

func TestUnixSocketWithTLS(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fn.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(nethttp.HandlerFunc(answerOK))
	s.Listener.Close()
	s.Listener = l
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	o := newCaller(t, Config{URL: "https+unix://" + path + "/fn", Transport: OkHTTP}).call(invocation("Kim"))
	if o.Class != core.OutcomeTrouble || !strings.Contains(o.Reason, "certificate") {
		t.Errorf("got %v %q, want trouble with the certificate: the socket was reached", o.Class, o.Reason)
	}
}

func TestClientCertificate(t *testing.T) {
	pool := x509.NewCertPool()
	cert, err := os.ReadFile("testdata/cert.pem")
	if err != nil || !pool.AppendCertsFromPEM(cert) {
		t.Fatal("no certificate", err)
	}
	s, ca := tlsServer(t, true, answerOK, &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS12})
	password := writeFile(t, "password", []byte("secret\n"))
	for _, key := range []string{"aes-256-cbc", "aes-128-cbc", "des3"} {
		cfg := Config{URL: s.URL, TrustCACerts: ca, ClientCert: "testdata/cert.pem", ClientKey: "testdata/key-" + key + ".pem", ClientKeyPassword: password}
		if o := newCaller(t, cfg).call(invocation("Kim")); o.Class != core.OutcomeOK {
			t.Errorf("%s: got %v %q", key, o.Class, o.Reason)
		}
	}
	o := newCaller(t, Config{URL: s.URL, TrustCACerts: ca}).call(invocation("Kim"))
	if o.Class == core.OutcomeOK {
		t.Error("the server takes clients without a certificate: the test shows nothing")
	}
}

func TestRefusedConfigs(t *testing.T) {
	secret := writeFile(t, "password", []byte("secret"))
	wrong := writeFile(t, "wrong", []byte("guess"))
	key := func(name, password string) Config {
		return Config{URL: "https://x/", ClientCert: "testdata/cert.pem", ClientKey: "testdata/key-" + name + ".pem", ClientKeyPassword: password}
	}
	tests := []struct {
		want string
		cfg  Config
	}{
		{"has no host", Config{URL: "http:///fn"}},
		{"must be http, https", Config{URL: "ftp://x/"}},
		{"blank or control character", Config{URL: "http://x/a b"}},
		{"no component of the path ends in .sock", Config{URL: "http+unix:///run/fn"}},
		{"Call: -1ns must be positive", Config{URL: "http://x/", Call: -1}},
		{"PoolSize: -1", Config{URL: "http://x/", PoolSize: -1}},
		{"one is set without the other", Config{URL: "https://x/", ClientCert: "testdata/cert.pem"}},
		{"set without a ClientKey", Config{URL: "https://x/", ClientKeyPassword: secret}},
		{"no class path", Config{URL: "https://x/", TrustCACerts: "classpath:ca.pem"}},
		{"trust_cacerts: open", Config{URL: "https://x/", TrustCACerts: "testdata/none.pem"}},
		{"holds no PEM certificate", Config{URL: "https://x/", TrustCACerts: "testdata/key-old.pem"}},
		{"client_key_password must name a file", key("aes-256-cbc", "")},
		{"the password is wrong", key("aes-256-cbc", wrong)},
		{"the password is wrong", key("des3", wrong)},
		{"convert it with: openssl pkcs8", key("old", secret)},
		{"is not supported; convert the key", key("pbes1", secret)},
		{"key derivation 1.3.6.1.4.1.11591.4.11 is not supported", key("scrypt", secret)},
		{"client_cert: open", Config{URL: "https://x/", ClientCert: "testdata/none", ClientKey: "testdata/key-des3.pem"}},
	}
	for _, tt := range tests {
		c, err := New(tt.cfg, func([]core.Result) {})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.cfg.URL) {
			t.Errorf("got %v, want an error that names the URL and says %q", err, tt.want)
		}
		if err == nil {
			c.Close()
		}
	}
}
