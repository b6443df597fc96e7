package awsclient_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/stateway/stateway/internal/awsclient"
)

// signer is the access key that signed a request.
func signer(s seen) string {
	_, rest, _ := strings.Cut(s.auth, "Credential=")
	key, _, _ := strings.Cut(rest, "/")
	return key
}

func TestCredentials(t *testing.T) {
	identity := strings.NewReplacer("AssumeRole", "AssumeRoleWithWebIdentity", "AKIDROLE", "AKIDWEB").Replace(assumed)
	pod := `{"AccessKeyId":"AKIDPOD","SecretAccessKey":"s","Token":"t","Expiration":"2999-01-01T00:00:00Z"}`
	cases := []struct {
		name    string
		env     map[string]string
		options awsclient.Options
		want    string
	}{
		{name: "keys", options: awsclient.Options{Credentials: keys}, want: "AKIDBASIC"},
		{
			name: "environment", want: "AKIDENV",
			env: map[string]string{"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "s"},
		},
		{
			name: "profile of a file of its own", want: "AKIDFILE",
			options: awsclient.Options{Credentials: awsclient.Credentials{
				Profile: "p", ProfileFile: write(t, "[p]\naws_access_key_id = AKIDFILE\naws_secret_access_key = s\n"),
			}},
		},
		{
			name: "profile in the form of a configuration file", want: "AKIDFILE",
			options: awsclient.Options{Credentials: awsclient.Credentials{
				Profile: "p", ProfileFile: write(t, "[profile p]\naws_access_key_id = AKIDFILE\naws_secret_access_key = s\n"),
			}},
		},
		{
			name: "web identity", want: "AKIDWEB",
			env: map[string]string{"AWS_ROLE_ARN": "arn:aws:iam::1:role/r", "AWS_WEB_IDENTITY_TOKEN_FILE": write(t, "token")},
		},
		{
			name: "pod identity", want: "AKIDPOD",
			env: map[string]string{
				"AWS_CONTAINER_CREDENTIALS_FULL_URI":     "http://169.254.170.23/v1/credentials",
				"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": write(t, "token"),
			},
		},
		{
			name: "a role on top of keys", want: "AKIDROLE",
			options: awsclient.Options{Credentials: keys, AssumeRole: &awsclient.Role{ARN: "arn:aws:iam::1:role/r"}},
		},
		{
			name: "a role on top of the environment's", want: "AKIDROLE",
			env:     map[string]string{"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "s"},
			options: awsclient.Options{AssumeRole: &awsclient.Role{ARN: "arn:aws:iam::1:role/r"}},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			bare(t)
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			f := &fake{rules: []rule{
				{host: "sts.", body: "WithWebIdentity", status: 200, answer: identity},
				{host: "sts.", status: 200, answer: assumed},
				{host: "169.254.170.23", status: 200, answer: pod},
				{host: "kinesis", status: 200, answer: shards},
			}}
			c.options.Region, c.options.Transport = "eu-west-1", f
			if err := listShards(load(t, c.options)); err != nil {
				t.Fatal(err)
			}
			if got := signer(f.requests("kinesis")[0]); got != c.want {
				t.Fatalf("signed by %q, want %q", got, c.want)
			}
		})
	}
}

func TestRoleIsAskedForByItsTerms(t *testing.T) {
	bare(t)
	f := &fake{rules: []rule{{host: "sts.", status: 200, answer: assumed}, {host: "kinesis", status: 200, answer: shards}}}
	cfg := load(t, awsclient.Options{
		Region: "eu-west-1", Credentials: keys, Transport: f,
		AssumeRole: &awsclient.Role{ARN: "arn:aws:iam::1:role/r", ExternalID: "ticket-7"},
	})
	for range 2 {
		if err := listShards(cfg); err != nil {
			t.Fatal(err)
		}
	}
	asked := f.requests("sts.")
	if len(asked) != 1 {
		t.Fatalf("%d sessions, want 1 for both calls", len(asked))
	}
	for _, want := range []string{"RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr", "ExternalId=ticket-7", "RoleSessionName=stateway", "DurationSeconds=3600"} {
		if !strings.Contains(asked[0].body, want) {
			t.Errorf("%s is missing in %s", want, asked[0].body)
		}
	}
	if signer(asked[0]) != "AKIDBASIC" {
		t.Errorf("asked by %s", signer(asked[0]))
	}
}

func TestFetchingCredentialsIsTriedAgain(t *testing.T) {
	bare(t)
	synctest.Test(t, func(t *testing.T) {
		f := &fake{rules: []rule{
			{host: "sts.", status: 500, answer: failed, once: true},
			{host: "sts.", status: 200, answer: assumed},
			{host: "kinesis", status: 200, answer: shards},
		}}
		cfg := load(t, awsclient.Options{
			Region: "eu-west-1", Credentials: keys, Transport: f, AssumeRole: &awsclient.Role{ARN: "arn:aws:iam::1:role/r"},
		})
		if err := listShards(cfg); err != nil {
			t.Fatal(err)
		}
	})
}

func TestExpiredCredentialsAreFetchedAnew(t *testing.T) {
	bare(t)
	f := &fake{rules: []rule{
		{host: "sts.", status: 200, answer: assumed},
		{host: "kinesis", status: 400, answer: `{"__type":"ExpiredTokenException","message":"The security token is expired"}`, once: true},
		{host: "kinesis", status: 200, answer: shards},
	}}
	cfg := load(t, awsclient.Options{
		Region: "eu-west-1", Credentials: keys, Transport: f, AssumeRole: &awsclient.Role{ARN: "arn:aws:iam::1:role/r"},
	})
	if got := awsclient.Classify(listShards(cfg)); got != awsclient.ExpiredCredentials {
		t.Fatalf("first call: %s", got)
	}
	if err := listShards(cfg); err != nil {
		t.Fatal(err)
	}
	if n := len(f.requests("sts.")); n != 2 {
		t.Fatalf("%d sessions, want 2", n)
	}
}

func TestNoCredentialsSaysWhatToDo(t *testing.T) {
	bare(t)
	f := &fake{}
	err := listShards(load(t, awsclient.Options{Region: "eu-west-1", Transport: f}))
	if awsclient.Classify(err) != awsclient.NoCredentials || !strings.Contains(err.Error(), "set awsCredentials") {
		t.Fatalf("class %s: %v", awsclient.Classify(err), err)
	}
	if n := len(f.requests("kinesis")); n != 0 {
		t.Fatalf("%d requests without signature", n)
	}
}

func TestRefusedRoleIsDenied(t *testing.T) {
	bare(t)
	denied := strings.Replace(failed, "InternalFailure", "AccessDenied", 1)
	f := &fake{rules: []rule{{host: "sts.", status: 403, answer: denied}}}
	cfg := load(t, awsclient.Options{
		Region: "eu-west-1", Credentials: keys, Transport: f, AssumeRole: &awsclient.Role{ARN: "arn:aws:iam::1:role/r"},
	})
	if got := awsclient.Classify(listShards(cfg)); got != awsclient.Denied {
		t.Fatalf("got %s", got)
	}
}

func TestNeitherProviderNorKeysAreShared(t *testing.T) {
	bare(t)
	a := load(t, awsclient.Options{Region: "eu-west-1", Credentials: keys})
	b := load(t, awsclient.Options{Region: "eu-west-1", Credentials: awsclient.Credentials{AccessKeyID: "AKIDOTHER", SecretAccessKey: "s"}})
	for cfg, want := range map[*aws.Config]string{&a: "AKIDBASIC", &b: "AKIDOTHER"} {
		got, err := cfg.Credentials.Retrieve(t.Context())
		if err != nil || got.AccessKeyID != want {
			t.Errorf("got %s, %v, want %s", got.AccessKeyID, err, want)
		}
	}
}
