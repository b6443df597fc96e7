package group_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/protocol/wire"
)

const (
	head   = `"specversion":"1.0","id":"1","source":"s"`
	asks   = head + `,"type":"io.stateway.v1.ToFunction","subject":"a/b/c","datacontenttype":"application/protobuf"`
	result = head + `,"type":"io.stateway.v1.FromFunction","datacontenttype":"application/protobuf"`
	failed = head + `,"type":"io.stateway.v1.Error"`
)

func TestABadCallSpoilsOnlyItself(t *testing.T) {
	cases := []struct{ name, event, want string }{
		{"another version", `{"specversion":"0.3","id":"1"}`, "specversion is not 1.0"},
		{"an empty event", `{}`, "specversion"},
		{"no id", `{"specversion":"1.0","source":"s"}`, "no id"},
		{"a null id", `{"specversion":"1.0","source":"s","id":null}`, "no id"},
		{"no source", `{"specversion":"1.0","id":"1"}`, "no source"},
		{"another type", `{` + head + `,"type":"com.example.other"}`, "type is not"},
		{"an answer", `{` + result + `}`, "type is not"},
		{"no data", `{` + asks + `}`, "no data in bytes"},
		{"data that is a text", `{` + asks + `,"data":"x"}`, "no data in bytes"},
		{"data that is an object", `{` + asks + `,"data":{"a":[1]}}`, "data is no text"},
		{"base64 without padding", `{` + asks + `,"data_base64":"YQ"}`, "not base64"},
		{"base64 for URLs", `{` + asks + `,"data_base64":"_-8="}`, "not base64"},
		{"base64 with bits to spare", `{` + asks + `,"data_base64":"YR=="}`, "not base64"},
		{"base64 with a line break", `{` + asks + `,"data_base64":"YWJj\nYWJ"}`, "not base64"},
		{"base64 that is a number", `{` + asks + `,"data_base64":7}`, "no text"},
		{"data twice", `{` + asks + `,"data_base64":"","data_base64":""}`, "twice"},
		{"two kinds of data", `{` + asks + `,"data_base64":"","data":""}`, "two kinds of data"},
		{"an attribute twice", `{` + asks + `,"data_base64":"","id":"2"}`, "twice"},
		{"another content type", `{` + head + `,"type":"io.stateway.v1.ToFunction","subject":"a/b/c","data_base64":""}`, "datacontenttype"},
		{"a subject without id", `{` + head + `,"type":"io.stateway.v1.ToFunction","subject":"a/b","datacontenttype":"application/protobuf","data_base64":""}`, "namespace/name/id"},
		{"an id that is a number", `{` + asks + `,"data_base64":"","generation":7}`, "holds a number"},
		{"a generation that is no number", `{` + asks + `,"data_base64":"","generation":"x"}`, "generation"},
		{"an attempt below zero", `{` + asks + `,"data_base64":"","attempt":-1}`, "negative"},
		{"an attempt beyond 32 bits", `{` + asks + `,"data_base64":"","attempt":2147483648}`, "too large"},
		{"an attempt beyond 64 bits", `{` + asks + `,"data_base64":"","attempt":1e99}`, "not whole"},
		{"an attempt in words", `{` + asks + `,"data_base64":"","attempt":"two"}`, "whole number"},
		{"an attempt that is true", `{` + asks + `,"data_base64":"","attempt":true}`, "neither text nor number"},
		{"an attempt that is a list", `{` + asks + `,"data_base64":"","attempt":[1]}`, "neither text nor number"},
	}
	good := `{` + asks + `,"data_base64":"YQ==","attempt":"2","unknown":{"a":[true,null,-1.5e+3,"\u00e9\n"]},"time":null}`
	want := group.Call{ID: "1", Source: "s", Target: wire.Address{Namespace: "a", Type: "b", ID: "c"}, Attempt: 2, Data: []byte("a")}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			calls, err := group.ParseCalls(group.JSON, []byte("["+good+" , "+c.event+","+good+"]\n"), nil)
			if err != nil {
				t.Fatal(err)
			}
			var itemErr *group.Error
			if !errors.As(calls[1].Err, &itemErr) || itemErr.Item != 1 || !strings.Contains(calls[1].Err.Error(), c.want) {
				t.Errorf("got error %v, want one of event 1 with %q", calls[1].Err, c.want)
			}
			for _, i := range []int{0, 2} {
				if diff := cmp.Diff(want, calls[i]); diff != "" {
					t.Errorf("call %d (-want +got)\n%s", i, diff)
				}
			}
		})
	}
}

func TestABadAnswerIsInvalid(t *testing.T) {
	cases := []struct{ name, event, want string }{
		{"a call", `{` + asks + `,"data_base64":""}`, "type is neither"},
		{"a result that is a text", `{` + result + `,"data":"x"}`, "should be bytes"},
		{"a result of another content type", `{` + head + `,"type":"io.stateway.v1.FromFunction","datacontenttype":"text/plain","data_base64":""}`, "datacontenttype"},
		{"an error without kind", `{` + failed + `,"data":"x"}`, "errorkind"},
		{"an error of an unknown kind", `{` + failed + `,"errorkind":"sorry"}`, "errorkind"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			answers, err := group.ParseAnswers(group.JSON, []byte("["+c.event+"]"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if a := answers[0]; a.Kind != group.Invalid || a.ID != "1" || !errors.Is(a.Err, group.ErrMalformed) || !strings.Contains(a.Err.Error(), c.want) {
				t.Errorf("got %+v, want an invalid answer with %q", a, c.want)
			}
		})
	}
}

func TestAnswersOfOtherHands(t *testing.T) {
	cases := []struct {
		name, event string
		want        group.Answer
	}{
		{"no data means no effects", `{` + head + `,"type":"io.stateway.v1.FromFunction"}`, group.Answer{Kind: group.Result}},
		{"slashes may be escaped", `{` + result + `,"data_base64":"\/\/\/\/"}`, group.Answer{Kind: group.Result, Data: []byte("\xff\xff\xff")}},
		{"a message in base64", `{` + failed + `,"errorkind":"poison","data_base64":"bm\u0038="}`, group.Answer{Kind: group.Poison, Message: "no"}},
		{"a message that is not UTF-8", `{` + failed + `,"errorkind":"retry","data_base64":"/w=="}`, group.Answer{Kind: group.Retry, Message: "\ufffd"}},
		{"escapes", `{` + failed + `,"errorkind":"retry","data":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud800x"}`, group.Answer{Kind: group.Retry, Message: "\"\\/\b\f\n\r\té😀\ufffdx"}},
		{"a long message", `{` + failed + `,"errorkind":"retry","data":"` + strings.Repeat("é", group.MaxMessage) + `"}`, group.Answer{Kind: group.Retry, Message: strings.Repeat("é", group.MaxMessage/2)}},
		{"a long message in base64", `{` + failed + `,"errorkind":"retry","data_base64":"` + strings.Repeat("QUFB", group.MaxMessage) + `"}`, group.Answer{Kind: group.Retry, Message: strings.Repeat("A", group.MaxMessage)}},
		{"an escaped name", `{` + failed + `,"error\u006bind":"retry"}`, group.Answer{Kind: group.Retry}},
		{"unknown encodings", `{` + failed + `,"errorkind":"retry","encodings":"cbor  packed"}`, group.Answer{Kind: group.Retry, Encodings: group.Encodings(0).With(group.Packed)}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.want.ID, c.want.Source = "1", "s"
			got, err := group.ParseAnswers(group.JSON, []byte("["+c.event+"]"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]group.Answer{c.want}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestABatchThatCannotBeRead(t *testing.T) {
	field := func(n protowire.Number, parts ...string) string {
		return string(protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), []byte(strings.Join(parts, ""))))
	}
	entry := func(value string) string { return field(1, field(1, "i"), field(5, field(1, "x"), field(2, value))) }
	packed := func(zstd string) string {
		return `{"statewaygroup":1,"zstd":"` + base64.StdEncoding.EncodeToString([]byte(zstd)) + `"}`
	}
	cases := []struct {
		name string
		enc  group.Encoding
		b    string
		want string
	}{
		{"nothing", group.JSON, "", "expected '['"},
		{"an object", group.JSON, "{}", "expected '['"},
		{"a list that does not end", group.JSON, "[", "expected '{'"},
		{"an event that does not end", group.JSON, `[{"id":"1"`, "expected ','"},
		{"a number for an event", group.JSON, "[1]", "expected '{'"},
		{"a comma too many", group.JSON, "[{},]", "expected '{'"},
		{"a comma too few", group.JSON, "[{}{}]", "expected ','"},
		{"a comma in an event", group.JSON, `[{"a":1,}]`, `expected '"'`},
		{"something after it", group.JSON, "[] x", "after the batch"},
		{"text that is not UTF-8", group.JSON, "[{\"\xff\":1}]", "UTF-8"},
		{"a control character", group.JSON, "[{\"a\":\"\n\"}]", "control character"},
		{"a text without end", group.JSON, `[{"id":"`, "without end"},
		{"a text that ends in a backslash", group.JSON, `[{"id":"\`, "without end"},
		{"base64 without end", group.JSON, `[{"data_base64":"YQ`, "without end"},
		{"an unknown escape", group.JSON, `[{"id":"\x"}]`, "escape"},
		{"an unknown escape that is passed over", group.JSON, `[{"other":"a\n\x"}]`, "escape"},
		{"half an escape", group.JSON, `[{"id":"\u00e"}]`, "escape"},
		{"an unknown word", group.JSON, `[{"a":nil}]`, "expected a value"},
		{"a number with a zero first", group.JSON, `[{"a":01}]`, "expected ','"},
		{"a number without digits", group.JSON, `[{"a":-}]`, "expected a digit"},
		{"a number with a bare point", group.JSON, `[{"attempt":1.}]`, "expected a digit"},
		{"a number with a bare exponent", group.JSON, `[{"a":1e}]`, "expected a digit"},
		{"lists without end", group.JSON, `[{"a":` + strings.Repeat("[", 1000), "too deep"},
		{"objects in lists in objects", group.JSON, `[{"a":` + strings.Repeat(`{"b":[`, 50), "too deep"},
		{"too many events", group.JSON, "[{}" + strings.Repeat(",{}", group.MaxItems) + "]", "more than 65536"},
		{"a cut tag", group.Protobuf, "\xff", "tag"},
		{"a field number of zero", group.Protobuf, "\x00\x01", "tag"},
		{"a cut event", group.Protobuf, "\x0a\x05\x0a", "value of a field"},
		{"an id that is not UTF-8", group.Protobuf, field(1, field(1, "\xff")), "UTF-8"},
		{"an unknown attribute that is not UTF-8", group.Protobuf, entry(field(3, "\xff")), "UTF-8"},
		{"a broken attribute", group.Protobuf, entry("\x0a"), "value of a field"},
		{"a broken time", group.Protobuf, entry(field(7, "\x08")), "value of a field"},
		{"broken data", group.Protobuf, field(1, field(8, field(1, "\xff"))), "UTF-8"},
		{"too many in protobuf", group.Protobuf, strings.Repeat("\x0a\x00", group.MaxItems+1), "more than 65536"},
		{"no packed group", group.Packed, `{}`, "not a packed group"},
		{"another object", group.Packed, `{"Records":[{"a":1}]}`, "is missing"},
		{"a list that is packed", group.Packed, `[]`, "not a packed group"},
		{"another version", group.Packed, `{"statewaygroup":2,"zstd":""}`, "version 2"},
		{"another kind of version", group.Packed, `{"statewaygroup":"1","zstd":""}`, "another type"},
		{"zstd twice", group.Packed, `{"statewaygroup":1,"zstd":"","zstd":""}`, "twice"},
		{"zstd that is not base64", group.Packed, `{"statewaygroup":1,"zstd":"?"}`, "not base64"},
		{"zstd that is none", group.Packed, packed("abcdefgh"), "zstd"},
		{"something after the object", group.Packed, packed("") + "x", "after the group"},
		{"an unknown encoding", 9, "", "unknown encoding 9"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			calls, err := group.ParseCalls(c.enc, []byte(c.b), nil)
			var batchErr *group.Error
			if !errors.As(err, &batchErr) || !errors.Is(err, group.ErrMalformed) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			if len(calls) != 0 {
				t.Errorf("got %d calls", len(calls))
			}
			if _, err := group.ParseAnswers(c.enc, []byte(c.b), nil); err == nil {
				t.Error("the answers can be read")
			}
		})
	}
}

// A few bytes that unpack to gigabytes cost no more memory than the limit.
func TestABombIsRefused(t *testing.T) {
	// Frames of one block each that repeats a byte 128 KiB times.
	const repeat = "\x28\xb5\x2f\xfd\x00\x38" + "\x03\x00\x10" + "x"
	bomb := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(repeat, group.MaxUnpacked/(128<<10)+2)))
	_, err := group.ParseCalls(group.Packed, fmt.Appendf(nil, `{"statewaygroup":1,"zstd":"%s"}`, bomb), nil)
	if err == nil || !strings.Contains(err.Error(), "zstd") {
		t.Errorf("got %v", err)
	}
}

func TestErrorsNameTheItem(t *testing.T) {
	cases := map[string]error{
		"malformed group: x":                &group.Error{Item: -1, What: "x"},
		"malformed group: event 3: x":       &group.Error{Item: 3, What: "x"},
		`malformed group: event 3 ("i"): x`: &group.Error{Item: 3, ID: "i", What: "x"},
	}
	for want, err := range cases {
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}

func TestEncodingsAreToldApart(t *testing.T) {
	for header, want := range map[string]group.Encoding{
		"application/cloudevents-batch+json":                  group.JSON,
		"Application/CloudEvents-Batch+JSON ; charset=utf-8":  group.JSON,
		"application/cloudevents-batch+protobuf":              group.Protobuf,
		"application/cloudevents+json":                        0,
		"application/octet-stream":                            0,
		"":                                                    0,
		"application/cloudevents-batch+json+x; charset=utf-8": 0,
	} {
		if got, ok := group.OfContentType(header); got != want || ok != (want != 0) {
			t.Errorf("content type %q: got %v %v, want %v", header, got, ok, want)
		}
	}
	for payload, want := range map[string]group.Encoding{" \n[": group.JSON, "{": group.Packed, `"x"`: 0, "": 0, " ": 0} {
		if got, ok := group.OfPayload([]byte(payload)); got != want || ok != (want != 0) {
			t.Errorf("payload %q: got %v %v, want %v", payload, got, ok, want)
		}
	}
}
