package kinesistest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
)

// target is what the header X-Amz-Target begins with.
const target = "Kinesis_20131202."

// Handler serves the Service by the protocol of Kinesis, AWS JSON 1.1, for the client of the SDK. Signatures are not looked at.
func (s *Service) Handler() http.Handler {
	calls := map[string]func(context.Context, []byte) (any, error){
		"ListShards":             served(s.ListShards),
		"GetShardIterator":       served(s.GetShardIterator),
		"GetRecords":             served(s.GetRecords),
		"DescribeStreamSummary":  served(s.DescribeStreamSummary),
		"RegisterStreamConsumer": served(s.RegisterStreamConsumer),
		"DescribeStreamConsumer": served(s.DescribeStreamConsumer),
		"PutRecord":              served(s.PutRecord),
		"PutRecords":             served(s.PutRecords),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client has left
		}
		operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), target)
		if operation == "SubscribeToShard" {
			s.stream(w, r, body)
			return
		}
		do, ok := calls[operation]
		if !ok {
			refuse(w, invalid("there is no operation %s here", operation))
			return
		}
		out, err := do(r.Context(), body)
		if err != nil {
			refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = w.Write(encode(out))
	})
}

// served is an operation between JSON and the types of the SDK.
func served[I, O any](do func(context.Context, *I, ...func(*kinesis.Options)) (*O, error)) func(context.Context, []byte) (any, error) {
	return func(ctx context.Context, body []byte) (any, error) {
		in := new(I)
		if err := decode(body, in); err != nil {
			return nil, err
		}
		return do(ctx, in)
	}
}

func refuse(w http.ResponseWriter, err error) {
	code, text := "InternalFailureException", err.Error()
	status := http.StatusInternalServerError
	var api smithy.APIError
	if errors.As(err, &api) {
		code, text, status = api.ErrorCode(), api.ErrorMessage(), http.StatusBadRequest
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_, _ = w.Write(encode(map[string]string{"__type": code, "message": text}))
}

// stream answers SubscribeToShard.
func (s *Service) stream(w http.ResponseWriter, r *http.Request, body []byte) {
	in := new(kinesis.SubscribeToShardInput)
	if err := decode(body, in); err != nil {
		refuse(w, err)
		return
	}
	sub, err := s.Subscribe(r.Context(), in)
	if err != nil {
		refuse(w, err)
		return
	}
	defer sub.Close() //nolint:errcheck // nothing of it is kept
	w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	encoder := eventstream.NewEncoder()
	send := func(kind string, payload []byte) {
		m := eventstream.Message{Payload: payload}
		m.Headers.Set(":message-type", eventstream.StringValue("event"))
		m.Headers.Set(":event-type", eventstream.StringValue(kind))
		m.Headers.Set(":content-type", eventstream.StringValue("application/x-amz-json-1.1"))
		if err := encoder.Encode(w, m); err == nil {
			_ = http.NewResponseController(w).Flush()
		}
	}
	send("initial-response", []byte("{}"))
	for ev := range sub.Events() {
		if e, ok := ev.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent); ok {
			send("SubscribeToShardEvent", encode(&e.Value))
		}
	}
}

// decode reads JSON into an input of the SDK: times are seconds there.
func decode(body []byte, into any) error {
	var tree map[string]any
	if err := json.Unmarshal(body, &tree); err != nil {
		return invalid("the body is not JSON: %v", err)
	}
	text, err := json.Marshal(withTimes(tree))
	if err != nil {
		return invalid("the body cannot be read: %v", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return invalid("the body is not a %T: %v", into, err)
	}
	return nil
}

// withTimes makes texts of times, as encoding/json reads them.
func withTimes(tree map[string]any) map[string]any {
	for key, value := range tree {
		switch v := value.(type) {
		case map[string]any:
			withTimes(v)
		case float64:
			if strings.HasSuffix(key, "Timestamp") {
				tree[key] = time.UnixMilli(int64(v * 1000)).UTC().Format(time.RFC3339Nano)
			}
		}
	}
	return tree
}

// encode writes an output of the SDK as JSON.
func encode(v any) []byte {
	text, err := json.Marshal(plain(reflect.ValueOf(v)))
	if err != nil {
		panic("kinesistest: an answer does not encode: " + err.Error())
	}
	return text
}

// plain makes of a value what encoding/json writes as Kinesis does: times as seconds, nothing for what is not set.
func plain(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return plain(v.Elem())
	case reflect.Slice:
		if v.IsNil() || v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Interface()
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = plain(v.Index(i))
		}
		return list
	case reflect.Struct:
		if t, ok := v.Interface().(time.Time); ok {
			return float64(t.UnixMilli()) / 1000
		}
		return plainFields(v)
	default:
		return v.Interface()
	}
}

func plainFields(v reflect.Value) map[string]any {
	fields := map[string]any{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || f.Name == "ResultMetadata" {
			continue
		}
		if value := plain(v.Field(i)); value != nil {
			fields[f.Name] = value
		}
	}
	return fields
}
