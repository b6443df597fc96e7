package envelope_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stateway/stateway/internal/envelope"
)

func TestAppendCloudEvent(t *testing.T) {
	base := envelope.CloudEvent{ID: "ab-3-7-11", Source: "stateway:ab/example/out", Type: "a/b"}
	const start = `{"specversion":"1.0","id":"ab-3-7-11","source":"stateway:ab/example/out","type":"a/b"`
	tests := []struct {
		name    string
		payload string
		want    string
	}{
		{"an object", `{"x": [1.0, "é"]}`, start + `,"datacontenttype":"application/json","data":{"x": [1.0, "é"]}}`},
		{"an array", `[]`, start + `,"datacontenttype":"application/json","data":[]}`},
		{"a scalar is text", `42`, start + `,"datacontenttype":"text/plain","data":"42"}`},
		{"an object with space around it is text, to keep the space", " {}", start + `,"datacontenttype":"text/plain","data":" {}"}`},
		{"an object that is none is text", `{"x"}`, start + `,"datacontenttype":"text/plain","data":"{\"x\"}"}`},
		{"text", "a\"\\\n\x01\x7fé\u2028", start + `,"datacontenttype":"text/plain","data":"a\"\\\n\u0001\u007fé` + "\u2028" + `"}`},
		{"nothing", "", start + `,"datacontenttype":"text/plain","data":""}`},
		{"bytes", "\xff\x00", start + `,"datacontenttype":"application/octet-stream","data_base64":"/wA="}`},
		{"JSON that is no UTF-8 is bytes", "[\"\xff\"]", start + `,"datacontenttype":"application/octet-stream","data_base64":"WyL/Il0="}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := base
			e.Payload = []byte(tt.payload)
			b := envelope.AppendCloudEvent([]byte("before"), e)[len("before"):]
			if string(b) != tt.want {
				t.Errorf("got  %s\nwant %s", b, tt.want)
			}
			got, err := envelope.DecodeCloudEvent(b)
			if err != nil || string(got.Payload) != tt.payload {
				t.Errorf("decoded payload %q, %v; want %q", got.Payload, err, tt.payload)
			}
		})
	}
}

func TestDecodeCloudEvent(t *testing.T) {
	tests := []struct {
		name string
		data string
		want envelope.CloudEvent
		err  string
	}{
		{
			name: "a stranger's event",
			data: ` { "type" : "com.example.sold", "specversion":"1.0", "source":"/shop", "id":"A1", "time":"2026-11-21T12:00:00Z", "x": [{"id":"no"}, "}"],` +
				"\n\"subject\":\"pears\", \"partitionkey\":\"k\", \"datacontenttype\":\"application/vnd.shop+json; charset=utf-8\", \"data\" : {\"n\":[1,{}]} } ",
			want: envelope.CloudEvent{
				ID: "A1", Source: "/shop", Type: "com.example.sold", Subject: "pears", PartitionKey: "k",
				ContentType: "application/vnd.shop+json; charset=utf-8", Payload: []byte(`{"n":[1,{}]}`),
			},
		},
		{name: "no data, no type", data: `{"specversion":"1.0","id":"1","source":"s"}`, want: envelope.CloudEvent{ID: "1", Source: "s"}},
		{name: "null is as good as nothing", data: `{"specversion":"1.0","id":"1","source":"s","subject":null,"data":null}`, want: envelope.CloudEvent{ID: "1", Source: "s"}},
		{name: "a JSON text without content type", data: `{"specversion":"1.0","id":"1","source":"s","data":"a\n"}`, want: envelope.CloudEvent{ID: "1", Source: "s", Payload: []byte(`"a\n"`)}},
		{
			name: "text with escapes", data: `{"data":"<\u00e9\ud83d\ude00\/>","specversion":"1.0","\u0069d":"\u0031","source":"s","datacontenttype":"text/xml"}`,
			want: envelope.CloudEvent{ID: "1", Source: "s", ContentType: "text/xml", Payload: []byte("<é😀/>")},
		},
		{
			name: "a number of another content type", data: `{"specversion":"1.0","id":"1","source":"s","datacontenttype":"text/plain","data":-1.5e3}`,
			want: envelope.CloudEvent{ID: "1", Source: "s", ContentType: "text/plain", Payload: []byte("-1.5e3")},
		},
		{
			name: "base64", data: `{"specversion":"1.0","id":"1","source":"s","datacontenttype":"application/json","data_base64":"e30="}`,
			want: envelope.CloudEvent{ID: "1", Source: "s", ContentType: "application/json", Payload: []byte("{}")},
		},
		{name: "upper case names are other names", data: `{"specversion":"1.0","id":"1","source":"s","ID":"2","Data":1}`, want: envelope.CloudEvent{ID: "1", Source: "s"}},
		{
			name: "a trace context", data: `{"specversion":"1.0","id":"1","source":"s","traceparent":"00-a-b-01"}`,
			want: envelope.CloudEvent{ID: "1", Source: "s", Traceparent: "00-a-b-01"},
		},
		{name: "two trace contexts are none", data: `{"specversion":"1.0","id":"1","source":"s","traceparent":"00","traceparent":"00"}`, want: envelope.CloudEvent{ID: "1", Source: "s"}},
		{name: "a trace context that is a number", data: `{"specversion":"1.0","id":"1","source":"s","traceparent":7}`, want: envelope.CloudEvent{ID: "1", Source: "s"}},
		{name: "a trace context that is null", data: `{"specversion":"1.0","id":"1","source":"s","traceparent":null}`, want: envelope.CloudEvent{ID: "1", Source: "s"}},
		{name: "nothing at all", data: ``, err: "it is not JSON in UTF-8"},
		{name: "no JSON", data: `{"id":}`, err: "it is not JSON in UTF-8"},
		{name: "no UTF-8", data: "{\"id\":\"\xff\"}", err: "it is not JSON in UTF-8"},
		{name: "a batch", data: `[{"specversion":"1.0","id":"1","source":"s"}]`, err: "it is not a JSON object"},
		{name: "an empty object", data: ` {} `, err: `specversion is "", not 1.0`},
		{name: "an older version", data: `{"specversion":"0.3","id":"1","source":"s"}`, err: `specversion is "0.3", not 1.0`},
		{name: "no id", data: `{"specversion":"1.0","source":"s"}`, err: "it has no id"},
		{name: "an id that is a number", data: `{"specversion":"1.0","id":1,"source":"s"}`, err: "id is not a text"},
		{name: "no source", data: `{"specversion":"1.0","id":"1","source":""}`, err: "it has no source"},
		{name: "two ids", data: `{"specversion":"1.0","id":"1","source":"s","id":"1"}`, err: "id is there twice"},
		{name: "two kinds of data", data: `{"specversion":"1.0","id":"1","source":"s","data":1,"data_base64":""}`, err: "it has both data and data_base64"},
		{name: "base64 that is none", data: `{"specversion":"1.0","id":"1","source":"s","data_base64":"!"}`, err: "data_base64: illegal base64 data at input byte 0"},
		{name: "base64 that is a number", data: `{"specversion":"1.0","id":"1","source":"s","data_base64":7}`, err: "data_base64 is not a text"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := envelope.DecodeCloudEvent([]byte(tt.data))
			if tt.err != "" {
				if !errors.Is(err, envelope.ErrDamaged) || err.Error() != "not an envelope of CloudEvents: "+tt.err {
					t.Fatalf("%+v, error %v, want %s", got, err, tt.err)
				}
				return
			}
			if d := cmp.Diff(tt.want, got); err != nil || d != "" {
				t.Errorf("%v, -want +got:\n%s", err, d)
			}
		})
	}
}

func drawEvent(t *rapid.T) envelope.CloudEvent {
	text := func(name string) string { // the reference drops blanks around attributes
		return strings.TrimSpace(rapid.StringOf(rapid.RuneFrom([]rune("ab/é\"\\ \n{}😀"))).Draw(t, name))
	}
	e := envelope.CloudEvent{
		ID: "i" + text("id"), Source: "stateway:" + rapid.StringMatching(`[a-z0-9]{1,20}(/[a-z0-9]{1,5})?`).Draw(t, "source"), Type: "t" + text("type"),
		Subject: text("subject"), PartitionKey: text("key"), Traceparent: rapid.StringMatching(`(00-[0-9a-f]{32}-[0-9a-f]{16}-0[01])?`).Draw(t, "trace"),
	}
	switch rapid.IntRange(0, 2).Draw(t, "payload") {
	case 0:
		e.Payload = rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
	case 1:
		e.Payload = []byte(text("text"))
	default:
		var err error
		e.Payload, err = json.Marshal(map[string]any{text("a"): text("b"), text("c"): rapid.Float64().Draw(t, "d")})
		if err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// What we write, the reference reads as it was meant, and finds valid.
func TestReferenceReadsOurs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		b := envelope.AppendCloudEvent(nil, e)
		if !bytes.Equal(b, envelope.AppendCloudEvent(nil, e)) {
			t.Fatal("other bytes the second time")
		}
		var ref event.Event
		if err := json.Unmarshal(b, &ref); err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		if err := ref.Validate(); err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		key, _ := ref.Extensions()["partitionkey"].(string)
		tr, _ := ref.Extensions()["traceparent"].(string)
		got := envelope.CloudEvent{ID: ref.ID(), Source: ref.Source(), Type: ref.Type(), Subject: ref.Subject(), PartitionKey: key, Traceparent: tr, Payload: ref.Data()}
		if d := cmp.Diff(e, got); d != "" && len(e.Payload)+len(got.Payload) > 0 {
			t.Fatalf("-ours +read by the reference:\n%s\n%s", d, b)
		}
		back, err := envelope.DecodeCloudEvent(b)
		e.ContentType = back.ContentType
		if d := cmp.Diff(e, back); err != nil || d != "" && len(e.Payload)+len(back.Payload) > 0 {
			t.Fatalf("%v, -encoded +decoded:\n%s\n%s", err, d, b)
		}
	})
}

// What the reference writes, we read as it was meant.
func TestWeReadTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		ref := event.New()
		ref.SetID(e.ID)
		ref.SetSource(e.Source)
		ref.SetType(e.Type)
		if e.Subject != "" {
			ref.SetSubject(e.Subject)
		}
		if e.PartitionKey != "" {
			ref.SetExtension("partitionkey", e.PartitionKey)
		}
		if e.Traceparent != "" {
			ref.SetExtension("traceparent", e.Traceparent)
		}
		kind := rapid.SampledFrom([]string{"text/plain", "application/json", "application/octet-stream"}).Draw(t, "content type")
		var data any = e.Payload
		switch kind {
		case "text/plain":
			text := strings.ToValidUTF8(string(e.Payload), "?")
			data, e.Payload = text, []byte(text)
		case "application/json":
			e.Payload, _ = json.Marshal(string(e.Payload))
			data = json.RawMessage(e.Payload)
		}
		if err := ref.SetData(kind, data); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(ref)
		if err != nil {
			t.Fatal(err)
		}
		got, err := envelope.DecodeCloudEvent(b)
		e.ContentType = kind
		if d := cmp.Diff(e, got); err != nil || d != "" && len(e.Payload)+len(got.Payload) > 0 {
			t.Fatalf("%v, -meant +got:\n%s\n%s", err, d, b)
		}
	})
}

func FuzzDecodeCloudEvent(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","datacontenttype":"text/plain","data":"x"}`))
	f.Add([]byte(` { "specversion" : "1.0" , "id" : "\u0031" , "source" : "s" , "x" : [ { } , null , "\"}" ] , "data_base64" : "AA==" } `))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := envelope.DecodeCloudEvent(data)
		if err != nil {
			return
		}
		var m map[string]json.RawMessage
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatalf("%q: no object: %v", data, err)
		}
		var id string
		if err := json.Unmarshal(m["id"], &id); err != nil || id != e.ID {
			t.Fatalf("%q: id %q, a JSON reader says %q, %v", data, e.ID, id, err)
		}
		back, err := envelope.DecodeCloudEvent(envelope.AppendCloudEvent(nil, e))
		if err != nil || back.ID != e.ID || back.Source != e.Source || !bytes.Equal(back.Payload, e.Payload) {
			t.Fatalf("%q: %+v comes back as %+v, %v", data, e, back, err)
		}
	})
}

func FuzzAppendCloudEvent(f *testing.F) {
	f.Add("id", "stateway:ab/x", "a/b", "", "key", []byte(`{"a":1}`))
	f.Fuzz(func(t *testing.T, id, source, typ, subject, key string, payload []byte) {
		b := envelope.AppendCloudEvent(nil, envelope.CloudEvent{ID: id, Source: source, Type: typ, Subject: subject, PartitionKey: key, Payload: payload})
		got, err := envelope.DecodeCloudEvent(b)
		if (id == "" || source == "") != (err != nil) {
			t.Fatalf("%q: %v", b, err)
		}
		if err == nil && (!bytes.Equal(got.Payload, payload) || got.ID != strings.ToValidUTF8(id, "\uFFFD") && !strings.Contains(got.ID, "\uFFFD")) {
			t.Fatalf("%q comes back as %+v", b, got)
		}
	})
}

func BenchmarkCloudEvent(b *testing.B) {
	e := envelope.CloudEvent{
		ID: "ab000000000000000000000000000000-3-7-11", Source: "stateway:ab000000000000000000000000000000/example/out", Type: "a/b", PartitionKey: "Ann",
		Payload: []byte(`{"name":"Ann","amounts":[1,2,3],"text":"` + strings.Repeat("x", 150) + `"}`),
	}
	buf := envelope.AppendCloudEvent(nil, e)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = envelope.AppendCloudEvent(buf[:0], e)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := envelope.DecodeCloudEvent(buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}
