package awsclient_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/stateway/stateway/internal/awsclient"
)

// fake answers requests instead of a network, by the first of its rules whose word is in the host or the body.
type fake struct {
	mu    sync.Mutex
	rules []rule // guarded by mu
	seen  []seen // guarded by mu
}

type rule struct {
	host, body string // what the request must contain
	status     int
	answer     string
	once       bool
}

type seen struct{ host, path, body, auth string }

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, seen{r.URL.Host, r.URL.Path, string(body), r.Header.Get("Authorization")})
	for i, u := range f.rules {
		if !strings.Contains(r.URL.Host, u.host) || !strings.Contains(string(body), u.body) {
			continue
		}
		if u.once {
			f.rules = append(f.rules[:i:i], f.rules[i+1:]...)
		}
		return &http.Response{
			StatusCode: u.status, Header: http.Header{}, Request: r,
			Body: io.NopCloser(strings.NewReader(u.answer)),
		}, nil
	}
	return nil, &url.Error{Op: "dial", URL: r.URL.String(), Err: io.ErrUnexpectedEOF}
}

// requests are those whose host contains a text.
func (f *fake) requests(host string) []seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []seen
	for _, s := range f.seen {
		if strings.Contains(s.host, host) {
			out = append(out, s)
		}
	}
	return out
}

// bare takes all of AWS out of the environment.
func bare(t *testing.T) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
			os.Unsetenv(name)
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	t.Setenv("AWS_CONFIG_FILE", none)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", none)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func load(t *testing.T, o awsclient.Options) aws.Config {
	t.Helper()
	cfg, err := awsclient.Load(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func listShards(cfg aws.Config) error {
	_, err := kinesis.NewFromConfig(cfg).ListShards(context.Background(), &kinesis.ListShardsInput{StreamName: aws.String("s")})
	return err
}

var keys = awsclient.Credentials{AccessKeyID: "AKIDBASIC", SecretAccessKey: "secret"}

const (
	shards  = `{"Shards":[]}`
	assumed = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>AKIDROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
<Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`
	failed = `<ErrorResponse><Error><Code>InternalFailure</Code><Message>later</Message></Error></ErrorResponse>`
)
