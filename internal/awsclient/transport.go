package awsclient

import (
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

const (
	idlePerHost = 128              // kept for the next call
	pingAfter   = 15 * time.Second // of silence on an HTTP/2 connection, whose peer may be gone
	pingTimeout = 15 * time.Second
)

// client is what the SDK sends with while it loads: it puts AWS_CA_BUNDLE into it, and gives each client that fetches credentials
// a copy with limits of its own.
func (o Options) client() aws.HTTPClient {
	if o.Transport != nil {
		return &http.Client{Transport: o.Transport}
	}
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = o.ConnectTimeout }).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSHandshakeTimeout = o.ConnectTimeout
			t.ResponseHeaderTimeout = o.ResponseTimeout
			t.MaxConnsPerHost = o.MaxConnections
			t.MaxIdleConns = 0
			t.MaxIdleConnsPerHost = idlePerHost
			// A stream of records may be silent for long, and its connection dead without anybody's word.
			t.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout}
		})
}

// freeze makes one pool of connections for all clients of a configuration, without the SDK's limit on silence between two bytes.
func freeze(c aws.HTTPClient) aws.HTTPClient {
	b, ok := c.(*awshttp.BuildableClient)
	if !ok {
		return c
	}
	return &http.Client{Transport: b.GetTransport(), CheckRedirect: redirect}
}

const maxRedirects = 5

// redirect follows what keeps the method, as the SDK's own client does. Other answers of the kind are errors of the service.
func redirect(r *http.Request, via []*http.Request) error {
	status := r.Response.StatusCode
	if status != http.StatusTemporaryRedirect && status != http.StatusPermanentRedirect || len(via) > maxRedirects {
		return http.ErrUseLastResponse
	}
	if r.URL.Host != via[len(via)-1].URL.Host {
		r.Header.Del("X-Amz-Security-Token")
	}
	return nil
}

// CloseIdle closes the connections of a configuration that no call uses. It can be used further.
func CloseIdle(cfg aws.Config) {
	if c, ok := cfg.HTTPClient.(*http.Client); ok {
		c.CloseIdleConnections()
	}
}
