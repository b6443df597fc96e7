package s3bucket_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/stateway/stateway/runtime/checkpoint/s3bucket"
)

// accepting is a store that takes everything, holds nothing, and remembers the headers of each request.
type accepting struct {
	mu   sync.Mutex      // parts come at the same time
	seen []*http.Request // guarded by mu
}

func (s *accepting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	s.mu.Lock()
	s.seen = append(s.seen, r)
	s.mu.Unlock()
	status, body := http.StatusOK, ""
	switch {
	case r.Method == http.MethodHead:
		status = http.StatusNotFound
	case r.Method == http.MethodPost && r.URL.Query().Has("uploads"):
		body = "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
	case r.Method == http.MethodPost:
		body = "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/xml"}, "Etag": {`"1"`}}, ContentLength: int64(len(body)),
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

// What the options say of encryption, classes and the owner is in the requests that it concerns, in parts or not.
func TestOptionsReachTheStore(t *testing.T) {
	const url = "s3://bucket/pre?region=eu-west-1&expectedBucketOwner=123456789012&sse=aws:kms&kmsKeyId=key&bucketKey=true" +
		"&storageClass.bases=STANDARD_IA&storageClass.segments=INTELLIGENT_TIERING&storageClass.log=ONEZONE_IA"
	opt, err := s3bucket.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	opt.PartSize = 5 << 20
	store := &accepting{}
	b, err := s3bucket.Open(opt, aws.Config{
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""), HTTPClient: &http.Client{Transport: store},
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, class := range map[string]string{
		"app/control/1": "ONEZONE_IA", "app/segments/1": "INTELLIGENT_TIERING", "app/bases/1": "STANDARD_IA",
	} {
		for _, size := range []int64{1, 6 << 20} {
			store.seen = nil
			if err := b.CreateFrom(t.Context(), key, bytes.NewReader(make([]byte, size)), size); err != nil {
				t.Fatalf("%s, %d bytes: %v", key, size, err)
			}
			checkHeaders(t, store.seen, class)
		}
	}
}

func checkHeaders(t *testing.T, seen []*http.Request, class string) {
	t.Helper()
	creating := 0
	for _, r := range seen {
		if got := r.Header.Get("X-Amz-Expected-Bucket-Owner"); got != "123456789012" {
			t.Errorf("%s %s: owner %q", r.Method, r.URL, got)
		}
		if r.Method == http.MethodHead || r.URL.Query().Has("uploadId") {
			continue
		}
		creating++
		for name, want := range map[string]string{
			"X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "key",
			"X-Amz-Server-Side-Encryption-Bucket-Key-Enabled": "true", "X-Amz-Storage-Class": class,
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s %s: %s is %q, want %q", r.Method, r.URL, name, got, want)
			}
		}
	}
	if creating != 1 {
		t.Errorf("%d of %d requests create an object, want 1", creating, len(seen))
	}
}
