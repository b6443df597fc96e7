package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// FanOut starts a proxy in front of a kinesis-local and returns its URL; it ends with the test. Through it enhanced fan-out works as in AWS:
// kinesis-local leaves out the first event of a subscription, which the AWS SDK asks for, and never says that a shard has ended.
// Events arrive up to 2 s late, and the end of a shard 2 s later: kinesis-local polls.
func FanOut(tb testing.TB, upstream string) string {
	tb.Helper()
	target, err := url.Parse(upstream)
	if err != nil {
		tb.Fatal(err)
	}
	client := KinesisClient{kinesis.NewFromConfig(kinesisConfig(upstream))}
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		FlushInterval: -1, // events leave as they come
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			if isSubscription(r.Out) {
				noteSubscription(r)
			}
		},
		ModifyResponse: func(resp *http.Response) error {
			sub, ok := resp.Request.Context().Value(subscription{}).(subscription)
			if !ok || resp.StatusCode != http.StatusOK {
				return nil
			}
			events := resp.Body
			in, out := io.Pipe()
			go func() {
				defer events.Close()
				out.CloseWithError(sub.pass(resp.Request.Context(), client, events, out))
			}()
			resp.Body, resp.ContentLength = in, -1
			resp.Header.Del("Content-Length")
			return nil
		},
		ErrorLog:     log.New(io.Discard, "", 0), // subscriptions that their readers end
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	tb.Cleanup(func() {
		proxy.CloseClientConnections() // subscriptions last for minutes
		proxy.Close()
	})
	return proxy.URL
}

func isSubscription(r *http.Request) bool {
	return strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".SubscribeToShard")
}

// subscription is what a SubscribeToShard asks for; it is also the key under which a request's context has it.
type subscription struct {
	stream, shard string
}

func noteSubscription(r *httputil.ProxyRequest) {
	body, err := io.ReadAll(r.In.Body)
	r.Out.Body = io.NopCloser(bytes.NewReader(body))
	var asked struct{ ConsumerARN, ShardId string } //nolint:revive,staticcheck // as the API has it
	if err != nil || json.Unmarshal(body, &asked) != nil {
		return // kinesis-local will say so
	}
	_, path, _ := strings.Cut(asked.ConsumerARN, ":stream/")
	name, _, _ := strings.Cut(path, "/")
	r.Out = r.Out.WithContext(context.WithValue(r.Out.Context(), subscription{}, subscription{name, asked.ShardId}))
}

// pass hands events on, with one before them. After two empty ones of a closed shard it writes the last one and ends.
func (s subscription) pass(ctx context.Context, c KinesisClient, events io.Reader, to io.Writer) error {
	encoder, decoder := eventstream.NewEncoder(), eventstream.NewDecoder()
	if err := encoder.Encode(to, event("initial-response", []byte("{}"))); err != nil {
		return err
	}
	for wasClosed := false; ; {
		m, err := decoder.Decode(events, nil)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = encoder.Encode(to, m)
		}
		if err != nil {
			return err
		}
		var got struct{ Records []json.RawMessage }
		if json.Unmarshal(m.Payload, &got) != nil || len(got.Records) > 0 {
			wasClosed = false
			continue
		}
		closed, last, err := s.ended(ctx, c)
		if err != nil {
			return err
		}
		if closed && wasClosed { // what was put before it closed has come
			return encoder.Encode(to, event("SubscribeToShardEvent", last))
		}
		wasClosed = closed
	}
}

// ended reports whether the shard takes no more records, and the last event of a subscription to it.
func (s subscription) ended(ctx context.Context, c KinesisClient) (bool, []byte, error) {
	all, err := c.Shards(ctx, s.stream)
	if err != nil {
		return false, nil, err
	}
	closed := false
	last := struct {
		Records            []types.Record
		MillisBehindLatest int
		ChildShards        []types.ChildShard
	}{Records: []types.Record{}}
	for _, shard := range all {
		if aws.ToString(shard.ShardId) == s.shard {
			closed = shard.SequenceNumberRange.EndingSequenceNumber != nil
		}
		parents := []string{aws.ToString(shard.ParentShardId)}
		if shard.AdjacentParentShardId != nil {
			parents = append(parents, *shard.AdjacentParentShardId)
		}
		for _, p := range parents {
			if p == s.shard {
				last.ChildShards = append(last.ChildShards, types.ChildShard{ShardId: shard.ShardId, ParentShards: parents, HashKeyRange: shard.HashKeyRange})
			}
		}
	}
	body, err := json.Marshal(last)
	return closed, body, err
}

func event(kind string, payload []byte) eventstream.Message {
	m := eventstream.Message{Payload: payload}
	m.Headers.Set(":message-type", eventstream.StringValue("event"))
	m.Headers.Set(":event-type", eventstream.StringValue(kind))
	m.Headers.Set(":content-type", eventstream.StringValue("application/x-amz-json-1.1"))
	return m
}
