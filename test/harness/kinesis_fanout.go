package harness

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// FanOut starts a proxy in front of a kinesis-local and returns its URL; it ends with the test. Through it enhanced fan-out works: kinesis-local
// leaves out the first event of a subscription, which the AWS SDK asks for. Events arrive up to 2 s late: kinesis-local polls.
func FanOut(tb testing.TB, upstream string) string {
	tb.Helper()
	target, err := url.Parse(upstream)
	if err != nil {
		tb.Fatal(err)
	}
	first, err := initialResponse()
	if err != nil {
		tb.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		FlushInterval: -1, // events leave as they come
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(resp *http.Response) error {
			if resp.StatusCode != http.StatusOK || !strings.HasSuffix(resp.Request.Header.Get("X-Amz-Target"), ".SubscribeToShard") {
				return nil
			}
			resp.Body = struct {
				io.Reader
				io.Closer
			}{io.MultiReader(bytes.NewReader(first), resp.Body), resp.Body}
			resp.ContentLength = -1
			resp.Header.Del("Content-Length")
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	tb.Cleanup(func() {
		proxy.CloseClientConnections() // subscriptions last for minutes
		proxy.Close()
	})
	return proxy.URL
}

// initialResponse is the event that begins each subscription.
func initialResponse() ([]byte, error) {
	m := eventstream.Message{Payload: []byte("{}")}
	m.Headers.Set(":message-type", eventstream.StringValue("event"))
	m.Headers.Set(":event-type", eventstream.StringValue("initial-response"))
	m.Headers.Set(":content-type", eventstream.StringValue("application/x-amz-json-1.1"))
	var b bytes.Buffer
	err := eventstream.NewEncoder().Encode(&b, m)
	return b.Bytes(), err
}
