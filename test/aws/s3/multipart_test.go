package s3

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/s3bucket"
)

func checksum(name string) types.ChecksumAlgorithm { return types.ChecksumAlgorithm(name) }

const part = 5 << 20

func inParts(o *s3bucket.Options) { o.PartSize = part }

// bigBody is a body of three parts, the last one small.
func bigBody() []byte {
	body := make([]byte, 2*part+1000)
	_, _ = rand.NewChaCha8([32]byte{4}).Read(body) // never fails
	return body
}

// completing applies h to the first request that completes an upload.
func completing(h hook) hook {
	done := false
	return func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if r.Method == http.MethodPost && r.URL.Query().Has("uploadId") && !done {
			done = true
			return h(n, r, next)
		}
		return next.RoundTrip(r)
	}
}

func TestCreateInParts(t *testing.T) {
	body := bigBody()
	partFails := func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if r.URL.Query().Get("partNumber") == "2" {
			return answer(r, 403, "AccessDenied", "injected")
		}
		return next.RoundTrip(r)
	}
	partSlow, lost := false, 0
	cases := []struct {
		rule string
		hook hook
		want error // nil: the object is there
	}{
		{"without faults", completing(func(_ int, r *http.Request, next http.RoundTripper) (*http.Response, error) { return next.RoundTrip(r) }), nil},
		{"a part is sent again", func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
			if r.URL.Query().Get("partNumber") == "3" && !partSlow {
				partSlow = true
				return answer(r, 503, "SlowDown", "injected")
			}
			return next.RoundTrip(r)
		}, nil},
		{"the answer to its completion is lost", completing(lose), nil},
		{"its completion does not arrive", completing(breakOff), nil},
		{"its completion meets another write: all begins anew", completing(refuse(409, "ConditionalRequestConflict")), nil},
		{"it was given up by somebody: all begins anew", completing(refuse(404, "NoSuchUpload")), nil},
		{"its completion does not arrive, and it was given up meanwhile: all begins anew", func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
			if r.Method == http.MethodPost && r.URL.Query().Has("uploadId") && lost < 2 {
				lost++
				if lost == 1 {
					return breakOff(n, r, next)
				}
				return answer(r, 404, "NoSuchUpload", "injected")
			}
			return next.RoundTrip(r)
		}, nil},
		{"the name is taken at its completion", completing(refuse(412, "PreconditionFailed")), checkpoint.ErrExists},
		{"a part is refused", partFails, errors.ErrUnsupported},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			b, calm, _ := openFaulty(t, inParts, c.hook)
			before := uploadsLeft(t)
			err := b.CreateFrom(t.Context(), "app/bases/big", bytes.NewReader(body), int64(len(body)))
			switch {
			case c.want == nil && err != nil, c.want != nil && err == nil:
				t.Fatalf("got error %v, want %v", err, c.want)
			case errors.Is(c.want, checkpoint.ErrExists) != errors.Is(err, checkpoint.ErrExists), errors.Is(err, checkpoint.ErrUnknownOutcome):
				t.Fatalf("got error %v, want %v", err, c.want)
			}
			got, err := calm.Read(t.Context(), "app/bases/big")
			if c.want == nil && (err != nil || !bytes.Equal(got, body)) {
				t.Errorf("read back %d bytes, %v", len(got), err)
			}
			if c.want != nil && !errors.Is(err, checkpoint.ErrNotFound) {
				t.Errorf("read back %d bytes, %v; want none", len(got), err)
			}
			if after := uploadsLeft(t); after > before {
				t.Errorf("%d files of uploads were left behind", after-before)
			}
		})
	}
}

func TestCreateInPartsKeepsWhatIsThere(t *testing.T) {
	body := bigBody()
	var calm *s3bucket.Bucket
	b, calm, f := openFaulty(t, inParts, completing(func(_ int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if err := calm.Create(t.Context(), "app/bases/big", []byte("another's")); err != nil {
			t.Error(err)
		}
		return next.RoundTrip(r) // the store itself refuses it
	}))
	if err := b.CreateFrom(t.Context(), "app/bases/big", bytes.NewReader(body), int64(len(body))); !errors.Is(err, checkpoint.ErrExists) {
		t.Fatalf("got %v", err)
	}
	if got, err := calm.Read(t.Context(), "app/bases/big"); err != nil || string(got) != "another's" {
		t.Fatalf("read back %.20q, %v", got, err)
	}
	// What is known to be taken costs no parts.
	before := strings.Count(f.requests(), "partNumber")
	if err := b.CreateFrom(t.Context(), "app/bases/big", bytes.NewReader(body), int64(len(body))); !errors.Is(err, checkpoint.ErrExists) {
		t.Fatalf("again: %v", err)
	}
	if after := strings.Count(f.requests(), "partNumber"); after != before {
		t.Errorf("%d parts were sent for a name that is taken", after-before)
	}
}

func TestCreateInPartsWithUnknownOutcome(t *testing.T) {
	body := bigBody()
	ctx, cancel := context.WithCancel(t.Context())
	b, calm, _ := openFaulty(t, inParts, completing(func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
		defer cancel()
		return lose(n, r, next)
	}))
	err := b.CreateFrom(ctx, "app/bases/big", bytes.NewReader(body), int64(len(body)))
	if !errors.Is(err, checkpoint.ErrUnknownOutcome) || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if err := calm.CreateFrom(t.Context(), "app/bases/big", bytes.NewReader(body), int64(len(body))); !errors.Is(err, checkpoint.ErrExists) {
		t.Fatalf("the same again: %v", err)
	}
}

func TestUploadEndsWithItsContext(t *testing.T) {
	body := bigBody()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	b, _, _ := openFaulty(t, inParts, func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if r.URL.Query().Has("partNumber") {
			return hang(n, r, next)
		}
		return next.RoundTrip(r)
	})
	before := uploadsLeft(t)
	err := b.CreateFrom(ctx, "app/bases/big", bytes.NewReader(body), int64(len(body)))
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, checkpoint.ErrUnknownOutcome) {
		t.Fatalf("got %v", err)
	}
	if after := uploadsLeft(t); after > before {
		t.Errorf("%d files of uploads were left behind", after-before)
	}
}
