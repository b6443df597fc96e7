package s3bucket_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/s3bucket"
)

// refusing is a store of one object that refuses to delete it, in an answer 200, so many times.
type refusing struct {
	code    string
	refuses int
	deletes int
}

func (s *refusing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	body := ""
	switch r.Method {
	case http.MethodGet:
		body = "<ListBucketResult><Contents><Key>app/old/1</Key></Contents></ListBucketResult>"
	case http.MethodPost:
		body = "<DeleteResult></DeleteResult>"
		if s.deletes++; s.deletes <= s.refuses {
			body = "<DeleteResult><Error><Key>app/old/1</Key><Code>" + s.code + "</Code><Message>injected</Message></Error></DeleteResult>"
		}
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/xml"}}, ContentLength: int64(len(body)),
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func openRefusing(t *testing.T, s *refusing) *s3bucket.Bucket {
	t.Helper()
	b, err := s3bucket.Open(s3bucket.Options{Bucket: "bucket", Region: "eu-west-1", PathStyle: true}, aws.Config{
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""), HTTPClient: &http.Client{Transport: s},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A store that takes a request to delete many objects may still refuse some of them: for now, or for good.
func TestRefusalsOfSingleObjects(t *testing.T) {
	busy := &refusing{code: "SlowDown", refuses: 1}
	b := openRefusing(t, busy)
	if err := b.DeleteFolder(t.Context(), "app/old"); err != nil || busy.deletes != 2 || b.Retries()[checkpoint.RetryThrottle] != 1 {
		t.Errorf("a busy store: %v after %d requests, retries %v", err, busy.deletes, b.Retries())
	}
	closed := &refusing{code: "AccessDenied", refuses: 100}
	err := openRefusing(t, closed).DeleteFolder(t.Context(), "app/old")
	if closed.deletes != 1 || err == nil || !strings.Contains(err.Error(), "allow s3:GetObject") || !strings.Contains(err.Error(), "app/old/1") {
		t.Errorf("no permission: %v after %d requests", err, closed.deletes)
	}
}
