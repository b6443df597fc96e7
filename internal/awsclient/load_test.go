package awsclient_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stateway/stateway/internal/awsclient"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRegion(t *testing.T) {
	profile := "[one]\nregion = eu-west-3\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = s\n"
	cases := []struct {
		name    string
		env     map[string]string
		options awsclient.Options
		want    string // empty: ErrNoRegion
	}{
		{name: "none", want: ""},
		{name: "the environment's", env: map[string]string{"AWS_REGION": "eu-central-1"}, want: "eu-central-1"},
		{name: "the environment's other name", env: map[string]string{"AWS_DEFAULT_REGION": "eu-north-1"}, want: "eu-north-1"},
		{
			name: "given beats the environment's", env: map[string]string{"AWS_REGION": "eu-central-1"},
			options: awsclient.Options{Region: "us-west-2"}, want: "us-west-2",
		},
		{
			name: "the profile's", want: "eu-west-3",
			options: awsclient.Options{Credentials: awsclient.Credentials{Profile: "one", ProfileFile: write(t, profile)}},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			bare(t)
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			cfg, err := awsclient.Load(context.Background(), c.options)
			if c.want == "" {
				if !errors.Is(err, awsclient.ErrNoRegion) {
					t.Fatalf("got %v, want ErrNoRegion", err)
				}
				return
			}
			if err != nil || cfg.Region != c.want {
				t.Fatalf("got %q, %v, want %q", cfg.Region, err, c.want)
			}
		})
	}
}

// silent is a network that swallows what is sent.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestLookForTheInstancesRegionIsShort(t *testing.T) {
	bare(t)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "")
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := awsclient.Load(context.Background(), awsclient.Options{Transport: silent{}})
		if took := time.Since(began); !errors.Is(err, awsclient.ErrNoRegion) || took > 2*time.Second {
			t.Fatalf("got %v after %s, want ErrNoRegion within 2s", err, took)
		}
	})
}

func TestInstancesRegion(t *testing.T) {
	bare(t)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "")
	f := &fake{rules: []rule{{host: "169.254.169.254", status: 200, answer: `{"region":"ap-south-1"}`}}}
	cfg, err := awsclient.Load(context.Background(), awsclient.Options{Transport: f})
	if err != nil || cfg.Region != "ap-south-1" {
		t.Fatalf("got %q, %v", cfg.Region, err)
	}
}

func TestWrongOptionsAreNamedTogether(t *testing.T) {
	bare(t)
	_, err := awsclient.Load(context.Background(), awsclient.Options{
		Endpoint:    "localhost:4566",
		Credentials: awsclient.Credentials{AccessKeyID: "a", Profile: "p"},
		AssumeRole:  &awsclient.Role{Duration: time.Minute},
	})
	for _, want := range []string{`endpoint "localhost:4566"`, "go together", "either keys or a profile", "needs an ARN", "15 minutes"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
}

func TestMissingProfileFileIsNamed(t *testing.T) {
	bare(t)
	_, err := awsclient.Load(context.Background(), awsclient.Options{
		Region: "eu-west-1", Credentials: awsclient.Credentials{Profile: "p", ProfileFile: "/no/such/file"},
	})
	if err == nil || !strings.Contains(err.Error(), "/no/such/file") {
		t.Fatalf("got %v", err)
	}
}

func TestLoadAsksNobody(t *testing.T) {
	bare(t)
	f := &fake{}
	load(t, awsclient.Options{Region: "eu-west-1", Transport: f, AssumeRole: &awsclient.Role{ARN: "arn:aws:iam::1:role/r"}})
	if n := len(f.requests("")); n != 0 {
		t.Fatalf("%d requests", n)
	}
}

func TestEndpointBeatsTheEnvironmentAndIsTheServicesOnly(t *testing.T) {
	bare(t)
	t.Setenv("AWS_ENDPOINT_URL_KINESIS", "http://elsewhere:1")
	f := &fake{rules: []rule{{host: "sts.", status: 200, answer: assumed}, {host: "here", status: 200, answer: shards}}}
	cfg := load(t, awsclient.Options{
		Region: "eu-west-1", Endpoint: "http://here:4567", Credentials: keys, Transport: f,
		AssumeRole: &awsclient.Role{ARN: "arn:aws:iam::1:role/r"},
	})
	if err := listShards(cfg); err != nil {
		t.Fatal(err)
	}
	if len(f.requests("here:4567")) != 1 || len(f.requests("sts.eu-west-1.amazonaws.com")) != 1 || len(f.requests("elsewhere")) != 0 {
		t.Fatalf("asked %+v", f.requests(""))
	}
}

func TestServiceIsTriedOnceUnlessAsked(t *testing.T) {
	for _, retries := range []bool{false, true} {
		bare(t)
		synctest.Test(t, func(t *testing.T) {
			f := &fake{rules: []rule{{host: "kinesis", status: 500, answer: `{"__type":"InternalFailureException"}`}}}
			cfg := load(t, awsclient.Options{Region: "eu-west-1", Credentials: keys, Transport: f, Retries: retries})
			err := listShards(cfg)
			if got := awsclient.Classify(err); got != awsclient.Transient {
				t.Errorf("class %s of %v", got, err)
			}
			want := map[bool]int{false: 1, true: 3}[retries]
			if n := len(f.requests("kinesis")); n != want {
				t.Errorf("retries %v: %d requests, want %d", retries, n, want)
			}
		})
	}
}
