package application

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stateway/stateway/internal/awsclient"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/module"
)

const streams = `
kind: io.statefun.kinesis.v1/ingress
spec:
  id: shop/in
  awsCredentials:
    type: assume-role
    roleArn: arn:aws:iam::123456789012:role/reader
    externalId: ticket
    duration: 20min
    source: {type: basic, accessKeyId: AK, secretAccessKey: s, sessionToken: t}
  mode: auto
  streams:
    - {stream: "arn:aws:kinesis:eu-west-1:123456789012:stream/orders", valueType: shop/Order, targets: [shop/cart]}
  clientConfigProperties:
    - maxConnections: 7
    - socketTimeout: 2000
    - connectionTimeout: 1000
---
kind: io.statefun.kinesis.v1/egress
spec:
  id: shop/once
  awsRegion: {type: custom-endpoint, id: eu-west-1, endpoint: "http://127.0.0.1:1"}
  awsCredentials: {type: basic, accessKeyId: AK, secretAccessKey: s}
  delivery: after-commit
  envelope: stateway
  recordBytes: 5000
---
kind: io.statefun.kinesis.v1/egress
spec:
  id: shop/often
  awsRegion: {type: specific, id: eu-west-1}
`

// Every form of credentials and place reaches the client.
func TestClientIsWhatTheModuleSays(t *testing.T) {
	app := parse(t, module.Options{Embedded: true, Functions: []string{"shop/*"}}, streams)
	b := &builder{app: app}
	in := app.Ingresses[0].Spec.(*module.KinesisIngress)
	out := app.Egresses[1].Spec.(*module.KinesisEgress)
	cases := []struct {
		name string
		got  *kinesisClient
		want awsclient.Options
	}{
		{
			"a role on keys, in the ARN's region", b.kinesisClient(in.Region, in.RegionID(), in.Credentials, in.Connections),
			awsclient.Options{
				Region: "eu-west-1", Credentials: awsclient.Credentials{AccessKeyID: "AK", SecretAccessKey: "s", SessionToken: "t"},
				AssumeRole:     &awsclient.Role{ARN: "arn:aws:iam::123456789012:role/reader", ExternalID: "ticket", Duration: 20 * time.Minute},
				MaxConnections: 7, ConnectTimeout: time.Second, ResponseTimeout: 2 * time.Second,
			},
		},
		{
			"an endpoint", b.kinesisClient(out.Region, out.RegionID(), out.Credentials, out.Connections),
			awsclient.Options{
				Region: "eu-west-1", Endpoint: "http://127.0.0.1:1", Credentials: awsclient.Credentials{AccessKeyID: "AK", SecretAccessKey: "s"},
			},
		},
	}
	for _, c := range cases {
		if diff := cmp.Diff(c.want, c.got.options, cmpopts.IgnoreFields(awsclient.Options{}, "Observe")); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// Kinesis parts open without asking anybody, as what the module's delivery needs, and tell of their streams.
func TestKinesisPartsOpen(t *testing.T) {
	t.Setenv("AWS_CA_BUNDLE", "")
	var told []string
	app := parse(t, module.Options{Embedded: true, Functions: []string{"shop/*"}}, streams)
	b := &builder{app: app, opt: Options{Workers: 2, Application: "shop", Log: slog.New(slog.DiscardHandler), Writes: func(id string, _ StreamWriter) { told = append(told, id) }}}
	for i := range app.Egresses {
		if err := b.egress(&app.Egresses[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.ingress(&app.Ingresses[0]); err != nil {
		t.Fatal(err)
	}
	in, err := b.parts.Ingresses[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, reports := in.(ingress.Reporter); !reports {
		t.Error("the ingress does not report")
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	for i, afterCommit := range []bool{false, true} {
		part := b.parts.Egresses[i]
		e, err := part.Open(core.ApplicationID{1}, 2)
		if err != nil {
			t.Fatal(err)
		}
		_, publishes := e.(egress.Publisher)
		_, emits := e.(egress.Emitter)
		if publishes != afterCommit || emits == afterCommit || part.Core.AfterCommit != afterCommit {
			t.Errorf("%s: publisher %v, emitter %v, after commit %v", part.Core.Name, publishes, emits, part.Core.AfterCommit)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"shop/often", "shop/once"}, told); diff != "" {
		t.Error(diff)
	}
}

// A place that nobody names is an error that says what to set.
func TestKinesisWithoutRegion(t *testing.T) {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_CA_BUNDLE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", "/no/such/file")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	_, _, err := (&kinesisClient{}).open()
	if err == nil || err.Error() != awsclient.ErrNoRegion.Error() {
		t.Errorf("got %v", err)
	}
}
