package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/s3bucket"
	"github.com/stateway/stateway/test/harness"
)

// hook is what happens to request n, from 0, instead of next.
type hook func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error)

// faulty lets a hook see every request.
type faulty struct {
	next http.RoundTripper
	hook hook

	mu   sync.Mutex
	sent []string // guarded by mu: method and interesting parts of each request
}

func (f *faulty) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	n := len(f.sent)
	line := r.Method
	for _, part := range []string{"partNumber", "uploads", "uploadId", "list-type", "delete"} {
		if r.URL.Query().Has(part) {
			line += " " + part
		}
	}
	if at := r.Header.Get("Range"); at != "" {
		line += " " + at
	}
	f.sent = append(f.sent, line)
	f.mu.Unlock()
	return f.hook(n, r, f.next)
}

func (f *faulty) requests() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.sent, "; ")
}

// openFaulty opens a bucket whose requests meet h, and another one on the same objects whose requests meet nothing.
func openFaulty(t *testing.T, change func(*s3bucket.Options), h hook) (b, calm *s3bucket.Bucket, f *faulty) {
	t.Helper()
	opt := options()
	opt.AttemptTimeout = 5 * time.Second
	if change != nil {
		change(&opt)
	}
	b = open(t, opt, func(next http.RoundTripper) http.RoundTripper {
		f = &faulty{next: next, hook: h}
		return f
	})
	return b, open(t, opt), f
}

// answer is an answer of the store's that it did not give.
func answer(r *http.Request, status int, code, message string, header ...string) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	body := fmt.Sprintf("<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
	if r.Method == http.MethodHead || status == http.StatusOK {
		body = ""
	}
	resp := &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"application/xml"}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}
	for i := 0; i+1 < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp, nil
}

// once makes a hook that lets all requests pass but the first.
func once(h hook) hook {
	return func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if n > 0 {
			return next.RoundTrip(r)
		}
		return h(n, r, next)
	}
}

func refuse(status int, code string) hook {
	return func(_ int, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
		return answer(r, status, code, "injected")
	}
}

// lose carries a request out and loses its answer.
func lose(_ int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
	resp, err := next.RoundTrip(r)
	if err == nil {
		_ = resp.Body.Close()
	}
	return nil, fmt.Errorf("read tcp: %w", syscall.ECONNRESET)
}

// breakOff fails before the request arrives.
func breakOff(_ int, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return nil, fmt.Errorf("write tcp: %w", syscall.ECONNRESET)
}

// hang answers nothing until the caller gives up.
func hang(_ int, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func wantRetry(t *testing.T, b *s3bucket.Bucket, cause checkpoint.RetryCause) {
	t.Helper()
	if got := b.Retries()[cause]; got != 1 {
		t.Errorf("retries %v, want one for %s", b.Retries(), cause)
	}
}

func TestCreateAfterFault(t *testing.T) {
	cases := []struct {
		rule     string
		hook     hook
		cause    checkpoint.RetryCause
		requests string
	}{
		{"a conflict with another write is tried again", refuse(409, "ConditionalRequestConflict"), "conflict", "PUT; PUT"},
		{"a store that is too busy is asked later", refuse(503, "SlowDown"), "throttle", "PUT; PUT"},
		{"an error of the store passes", refuse(500, "InternalError"), "server", "PUT; PUT"},
		{"a body damaged on its way is sent again", refuse(400, "BadDigest"), "body", "PUT; PUT"},
		{"a request that took too long for the store is sent again", refuse(400, "RequestTimeout"), "timeout", "PUT; PUT"},
		{"a connection that breaks is made again", breakOff, "connection", "PUT; PUT"},
		{"an answer that is lost is read back", lose, "connection", "PUT; PUT; HEAD"},
		{"an attempt that hangs is given up", hang, "timeout", "PUT; PUT"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			b, calm, f := openFaulty(t, func(o *s3bucket.Options) { o.AttemptTimeout = 300 * time.Millisecond }, once(c.hook))
			if err := b.Create(t.Context(), "app/a", []byte("body")); err != nil {
				t.Fatal(err)
			}
			if got, err := calm.Read(t.Context(), "app/a"); err != nil || string(got) != "body" {
				t.Errorf("read back %q, %v", got, err)
			}
			wantRetry(t, b, c.cause)
			if f.requests() != c.requests {
				t.Errorf("requests %s, want %s", f.requests(), c.requests)
			}
		})
	}
}

func TestCreateLosesToEqualBytes(t *testing.T) {
	var calm *s3bucket.Bucket
	b, calm, _ := openFaulty(t, nil, once(func(_ int, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
		// Ours never arrives; another's, with the same bytes, does.
		if err := calm.Create(t.Context(), "app/a", []byte("body")); err != nil {
			t.Error(err)
		}
		return breakOff(0, r, nil)
	}))
	if err := b.Create(t.Context(), "app/a", []byte("body")); !errors.Is(err, checkpoint.ErrExists) {
		t.Fatalf("both created it: %v", err)
	}
}

func TestCreateWithUnknownOutcome(t *testing.T) {
	t.Run("the context ends before the answer is found", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b, calm, _ := openFaulty(t, nil, func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
			cancel()
			return lose(n, r.WithContext(context.WithoutCancel(r.Context())), next)
		})
		err := b.Create(ctx, "app/a", []byte("body"))
		if !errors.Is(err, checkpoint.ErrUnknownOutcome) || !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		if _, err := calm.Read(t.Context(), "app/a"); err != nil {
			t.Fatalf("it arrived: %v", err)
		}
		// The same again tells.
		if err := calm.Create(t.Context(), "app/a", []byte("body")); !errors.Is(err, checkpoint.ErrExists) {
			t.Fatalf("create again: %v", err)
		}
	})
	t.Run("the patience ends before the answer is found", func(t *testing.T) {
		b, _, _ := openFaulty(t, func(o *s3bucket.Options) { o.Patience = time.Millisecond }, breakOff)
		if err := b.Create(t.Context(), "app/a", nil); !errors.Is(err, checkpoint.ErrUnknownOutcome) || !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("a refusal leaves nothing open", func(t *testing.T) {
		b, _, _ := openFaulty(t, nil, refuse(403, "AccessDenied"))
		err := b.Create(t.Context(), "app/a", nil)
		if errors.Is(err, checkpoint.ErrUnknownOutcome) {
			t.Fatalf("got %v", err)
		}
		wantSetup(t, err, "no permission: allow s3:GetObject")
	})
	t.Run("a refusal after a lost answer does", func(t *testing.T) {
		b, _, _ := openFaulty(t, nil, func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
			if n == 0 {
				return lose(n, r, next)
			}
			return answer(r, 403, "AccessDenied", "injected")
		})
		if err := b.Create(t.Context(), "app/a", nil); !errors.Is(err, checkpoint.ErrUnknownOutcome) {
			t.Fatalf("got %v", err)
		}
	})
}

// bitten is a body that ends, or goes wrong, after some bytes.
type bitten struct {
	io.ReadCloser
	left  int
	wrong bool // the bytes behind are other ones, and no error
}

func (b *bitten) Read(p []byte) (int, error) {
	if b.left == 0 && !b.wrong {
		return 0, io.ErrUnexpectedEOF
	}
	if b.left == 0 {
		n, err := b.ReadCloser.Read(p)
		for i := range p[:n] {
			p[i] ^= 1
		}
		return n, err
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func bite(after int, wrong bool) hook {
	return func(_ int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err == nil {
			resp.Body = &bitten{ReadCloser: resp.Body, left: after, wrong: wrong}
		}
		return resp, err
	}
}

func TestReadAfterFault(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 64)
	cases := []struct {
		rule     string
		hook     hook
		cause    checkpoint.RetryCause
		whole    string
		requests string // of a range of 100 bytes from 50
	}{
		{"what was read of a body cut short is kept", bite(60, false), "body", "GET; GET bytes=60-1023", "GET bytes=50-149; GET bytes=110-149"},
		{"a busy store is asked later", refuse(503, "SlowDown"), "throttle", "GET; GET", "GET bytes=50-149; GET bytes=50-149"},
		{"a broken connection is made again", breakOff, "connection", "GET; GET", "GET bytes=50-149; GET bytes=50-149"},
		{"an attempt that hangs is given up", hang, "timeout", "GET; GET", "GET bytes=50-149; GET bytes=50-149"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			fast := func(o *s3bucket.Options) { o.AttemptTimeout = 300 * time.Millisecond }
			b, calm, f := openFaulty(t, fast, once(c.hook))
			if err := calm.Create(t.Context(), "app/a", body); err != nil {
				t.Fatal(err)
			}
			got, err := b.Read(t.Context(), "app/a")
			if err != nil || !bytes.Equal(got, body) || f.requests() != c.whole {
				t.Errorf("whole: %d bytes, %v, by %s; want by %s", len(got), err, f.requests(), c.whole)
			}
			wantRetry(t, b, c.cause)

			b, calm, f = openFaulty(t, fast, once(c.hook))
			if err := calm.Create(t.Context(), "app/a", body); err != nil {
				t.Fatal(err)
			}
			got, err = b.ReadRange(t.Context(), "app/a", 50, 100)
			if err != nil || !bytes.Equal(got, body[50:150]) || f.requests() != c.requests {
				t.Errorf("range: %q, %v, by %s; want by %s", got, err, f.requests(), c.requests)
			}

			b, calm, f = openFaulty(t, fast, once(c.hook))
			if err := calm.Create(t.Context(), "app/a", body); err != nil {
				t.Fatal(err)
			}
			var passed bytes.Buffer
			err = b.ReadTo(t.Context(), "app/a", 50, 100, &passed)
			if err != nil || !bytes.Equal(passed.Bytes(), body[50:150]) || f.requests() != c.requests {
				t.Errorf("range passed on: %q, %v, by %s; want by %s", passed.Bytes(), err, f.requests(), c.requests)
			}
			wantRetry(t, b, c.cause)
		})
	}
}

func TestReadNoticesDamage(t *testing.T) {
	for _, algorithm := range []string{"CRC64NVME", "SHA256"} {
		b, calm, f := openFaulty(t, func(o *s3bucket.Options) { o.Checksum = checksum(algorithm) }, once(bite(3, true)))
		if err := calm.Create(t.Context(), "app/a", []byte("0123456789")); err != nil {
			t.Fatal(err)
		}
		got, err := b.Read(t.Context(), "app/a")
		if err != nil || string(got) != "0123456789" || f.requests() != "GET; GET" {
			t.Errorf("%s: %q, %v, by %s", algorithm, got, err, f.requests())
		}
		wantRetry(t, b, "body")
	}
	// Damage that stays is an error.
	b, calm, _ := openFaulty(t, func(o *s3bucket.Options) { o.Patience = time.Millisecond }, func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
		return bite(3, true)(n, r, next)
	})
	if err := calm.Create(t.Context(), "app/a", []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Read(t.Context(), "app/a"); err == nil || !strings.Contains(err.Error(), "CRC64NVME") {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestClockIsCorrected(t *testing.T) {
	var dates []string
	ahead := time.Now().Add(time.Hour)
	b, _, _ := openFaulty(t, nil, func(_ int, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
		dates = append(dates, r.Header.Get("X-Amz-Date"))
		if len(dates) == 1 {
			return answer(r, 403, "RequestTimeTooSkewed", "injected", "Date", ahead.UTC().Format(http.TimeFormat))
		}
		return answer(r, 404, "NoSuchKey", "injected", "Date", ahead.UTC().Format(http.TimeFormat))
	})
	if _, err := b.Read(t.Context(), "app/a"); !errors.Is(err, checkpoint.ErrNotFound) {
		t.Fatal(err)
	}
	wantRetry(t, b, "clock")
	signed, err := time.Parse("20060102T150405Z", dates[1])
	if err != nil || signed.Sub(ahead).Abs() > time.Minute {
		t.Errorf("signed at %v (%v), the store's clock says %v", signed, err, ahead)
	}
}

func TestExpiredCredentialsAreFetchedAnew(t *testing.T) {
	fetched := 0
	cfg := server.Config()
	static := cfg.Credentials
	cfg.Credentials = aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		fetched++
		return static.Retrieve(ctx)
	}))
	f := &faulty{next: http.DefaultTransport, hook: once(refuse(400, "ExpiredToken"))}
	cfg.HTTPClient = &http.Client{Transport: f}
	b, err := s3bucket.Open(options(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Create(t.Context(), "app/a", nil); err != nil || fetched != 2 {
		t.Errorf("create: %v; credentials were fetched %d times, want 2", err, fetched)
	}
	wantRetry(t, b, "credentials")
}

func TestProbeExplains(t *testing.T) {
	second := func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if n == 2 { // GET, PUT, PUT
			return answer(r, 200, "", "")
		}
		return next.RoundTrip(r)
	}
	on := func(method string, h hook) hook {
		return func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
			if r.Method == method {
				return h(n, r, next)
			}
			return next.RoundTrip(r)
		}
	}
	redirect := func(_ int, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
		return answer(r, 301, "PermanentRedirect", "injected", "X-Amz-Bucket-Region", "eu-west-1")
	}
	malformed := func(_ int, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
		return answer(r, 400, "AuthorizationHeaderMalformed", "the region 'us-east-1' is wrong; expecting 'eu-west-2'")
	}
	cases := []struct {
		rule string
		hook hook
		want string
	}{
		{"a store without conditions", second, "ignores If-None-Match: a second write of the same name succeeded, so two leaders could both commit"},
		{"no permission to read", on("GET", refuse(403, "AccessDenied")), "no permission: allow s3:GetObject"},
		{"no permission to write", on("PUT", refuse(403, "AccessDenied")), "a first try to write an object failed: no permission"},
		{"no permission to delete", on("DELETE", refuse(403, "AccessDenied")), "a first try to delete an object failed: no permission"},
		{"another region, by redirection", redirect, "it lies in another region than \"us-east-1\": put region=eu-west-1 into the URL"},
		{"another region, by signature", malformed, "put region=eu-west-2 into the URL"},
		{"an unknown key", refuse(403, "InvalidAccessKeyId"), "does not know the access key"},
		{"a KMS key that is gone", on("PUT", refuse(400, "KMS.NotFoundException")), "KMS key cannot be used"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			b, _, _ := openFaulty(t, nil, c.hook)
			wantSetup(t, b.Probe(t.Context()), c.want)
		})
	}
	t.Run("a wrong secret key", func(t *testing.T) {
		cfg := server.Config()
		cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: harness.VersitygwAccessKey, SecretAccessKey: "another"}, nil
		})
		b, err := s3bucket.Open(options(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		wantSetup(t, b.Probe(t.Context()), "the secret key is wrong")
	})
	t.Run("the probe's object does not stay, whatever it found", func(t *testing.T) {
		b, calm, _ := openFaulty(t, nil, second)
		_ = b.Probe(t.Context())
		if keys, err := calm.List(t.Context(), "", "", 10); err != nil || len(keys) > 0 {
			t.Errorf("it left %q, %v", keys, err)
		}
	})
}

// uploadsLeft is how many uploads in parts the server keeps.
func uploadsLeft(t *testing.T) int {
	t.Helper()
	left := 0
	root := filepath.Join(server.Dir, bucketName, ".sgwtmp")
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left++
		}
		return nil
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return left
}
