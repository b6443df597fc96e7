package awsclient

import (
	"context"
	"net/http"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

func TestConnectionsAreBoundedAndCallsAreNot(t *testing.T) {
	t.Setenv("AWS_CA_BUNDLE", "")
	o := Options{Region: "eu-west-1", MaxConnections: 7, ConnectTimeout: time.Second, ResponseTimeout: 9 * time.Second}.withDefaults()
	b, ok := o.client().(*awshttp.BuildableClient)
	if !ok {
		t.Fatalf("a %T: the SDK could not put AWS_CA_BUNDLE into it", o.client())
	}
	tr := b.GetTransport()
	if tr.MaxConnsPerHost != 7 || tr.TLSHandshakeTimeout != time.Second || tr.ResponseHeaderTimeout != 9*time.Second || b.GetDialer().Timeout != time.Second {
		t.Errorf("limits are not those given: %+v", tr)
	}
	if !tr.ForceAttemptHTTP2 || tr.HTTP2 == nil || tr.HTTP2.SendPingTimeout == 0 {
		t.Error("a dead HTTP/2 connection would not be found")
	}
	cfg, err := Load(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	c, ok := cfg.HTTPClient.(*http.Client)
	if !ok {
		t.Fatalf("a %T: each service would have connections and limits of its own", cfg.HTTPClient)
	}
	if c.Timeout != 0 {
		t.Errorf("streams would end after %s", c.Timeout)
	}
}
