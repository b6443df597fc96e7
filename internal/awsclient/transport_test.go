package awsclient

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
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
	CloseIdle(cfg)
	CloseIdle(aws.Config{})
}

// Only what keeps the method is followed, and another host does not get the session's token.
func TestRedirects(t *testing.T) {
	request := func(status int, url string) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Security-Token", "t")
		r.Response = &http.Response{StatusCode: status}
		return r
	}
	first := request(0, "http://a/x")
	for status, follow := range map[int]bool{301: false, 302: false, 303: false, 307: true, 308: true} {
		if err := redirect(request(status, "http://a/y"), []*http.Request{first}); (err == nil) != follow {
			t.Errorf("%d: %v, want it followed: %v", status, err, follow)
		}
	}
	same, other := request(307, "http://a/y"), request(307, "http://b/y")
	for _, r := range []*http.Request{same, other} {
		if err := redirect(r, []*http.Request{first}); err != nil {
			t.Error(err)
		}
	}
	if same.Header.Get("X-Amz-Security-Token") == "" || other.Header.Get("X-Amz-Security-Token") != "" {
		t.Error("the token is for the first host alone")
	}
	if err := redirect(request(307, "http://a/y"), make([]*http.Request, maxRedirects+1)); err == nil {
		t.Error("redirects without end are followed")
	}
}
