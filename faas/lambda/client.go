package lambda

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/stateway/stateway/internal/awsclient"
	"github.com/stateway/stateway/protocol/group"
)

// Client is how functions of one region are reached: connections and credentials, shared by the Transports that are made with it.
type Client struct {
	cfg aws.Config
	api *lambda.Client
}

// maxAnswer is how much of an answer is read, in bytes: an error's text beside a payload of the largest size.
const maxAnswer = group.MaxLambdaPayload + 64<<10

// longestCall is how long a function may run.
const longestCall = 15 * time.Minute

// NewClient makes a Client. It reads the AWS configuration (files, and where nobody names a region, the machine's metadata address)
// and asks no service of AWS. Of the options, ResponseTimeout is not used: each group's budget bounds its call.
func NewClient(ctx context.Context, o awsclient.Options) (*Client, error) {
	o.Retries, o.ResponseTimeout = false, longestCall+time.Minute
	cfg, err := awsclient.Load(ctx, o)
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg}
	c.api = lambda.NewFromConfig(cfg, func(o *lambda.Options) { o.HTTPClient = sender{o.HTTPClient} })
	return c, nil
}

// Region is where the functions are.
func (c *Client) Region() string { return c.cfg.Region }

// CloseIdle closes connections that no call uses.
func (c *Client) CloseIdle() { awsclient.CloseIdle(c.cfg) }

// sender sends payloads to their end, and reads no answer without end.
type sender struct{ lambda.HTTPClient }

// payloadKey is where the context of a call has its payload.
type payloadKey struct{}

// Do implements lambda.HTTPClient. The SDK closes the body of a request as soon as an answer begins. If the connection has not come to the
// body's end by then, it takes that for an error and breaks off, and the rest of the answer is lost. So it gets a body of its own.
func (s sender) Do(req *http.Request) (*http.Response, error) {
	if payload, ok := req.Context().Value(payloadKey{}).([]byte); ok && req.ContentLength == int64(len(payload)) {
		req = req.WithContext(req.Context())
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(payload)), nil }
		req.Body, _ = req.GetBody()
	}
	resp, err := s.HTTPClient.Do(req) //nolint:gosec // where to, the configuration says
	if err != nil || resp.Body == nil {
		return resp, err
	}
	resp.Body = &boundedBody{resp.Body, maxAnswer}
	return resp, nil
}

type boundedBody struct {
	io.ReadCloser
	left int
}

var errTooLong = errors.New("the answer has more bytes than Lambda's answers can have: " + fmt.Sprint(maxAnswer))

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
