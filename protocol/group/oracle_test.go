package group_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	_ "google.golang.org/protobuf/types/known/anypb"       // cloudevents.proto imports it
	_ "google.golang.org/protobuf/types/known/timestamppb" // and this

	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/protocol/reqreply"
)

func marshal(tb testing.TB, m proto.Message) []byte {
	tb.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func typed(name, value string) *reqreply.TypedValue {
	return &reqreply.TypedValue{Typename: name, HasValue: true, Value: []byte(value)}
}

// plainEvent is an event as both oracles can be brought to.
type plainEvent struct {
	ID, Source, Type, Subject, ContentType string
	Extensions                             map[string]any
	Data                                   string
}

// fromSDK reads a JSON batch with the CloudEvents SDK, which also checks that the events are valid.
func fromSDK(tb testing.TB, b []byte) []plainEvent {
	tb.Helper()
	var events []event.Event
	if err := json.Unmarshal(b, &events); err != nil {
		tb.Fatalf("%v in %s", err, b)
	}
	var out []plainEvent
	for _, e := range events {
		if err := e.Validate(); err != nil {
			tb.Fatal(err)
		}
		out = append(out, plainEvent{e.ID(), e.Source(), e.Type(), e.Subject(), e.DataContentType(), e.Extensions(), string(e.Data())})
	}
	return out
}

// batchType is CloudEventBatch of the published cloudevents.proto, put together by hand.
func batchType(tb testing.TB) protoreflect.MessageDescriptor {
	tb.Helper()
	label := func(f *descriptorpb.FieldDescriptorProto, repeated bool) *descriptorpb.FieldDescriptorProto {
		f.Label = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()
		if repeated {
			f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		}
		return f
	}
	field := func(name string, n int32, typ descriptorpb.FieldDescriptorProto_Type) *descriptorpb.FieldDescriptorProto {
		return label(&descriptorpb.FieldDescriptorProto{Name: proto.String(name), Number: proto.Int32(n), Type: typ.Enum()}, false)
	}
	message := func(name string, n int32, typename string) *descriptorpb.FieldDescriptorProto {
		f := field(name, n, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE)
		f.TypeName = proto.String(typename)
		return f
	}
	oneof := func(fields ...*descriptorpb.FieldDescriptorProto) []*descriptorpb.FieldDescriptorProto {
		for _, f := range fields {
			f.OneofIndex = proto.Int32(0)
		}
		return fields
	}
	const (
		str  = descriptorpb.FieldDescriptorProto_TYPE_STRING
		byt  = descriptorpb.FieldDescriptorProto_TYPE_BYTES
		in32 = descriptorpb.FieldDescriptorProto_TYPE_INT32
		bul  = descriptorpb.FieldDescriptorProto_TYPE_BOOL
	)
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("cloudevents.proto"), Package: proto.String("io.cloudevents.v1"), Syntax: proto.String("proto3"),
		Dependency: []string{"google/protobuf/any.proto", "google/protobuf/timestamp.proto"},
		MessageType: []*descriptorpb.DescriptorProto{
			{
				Name: proto.String("CloudEvent"),
				Field: append([]*descriptorpb.FieldDescriptorProto{
					field("id", 1, str), field("source", 2, str), field("spec_version", 3, str), field("type", 4, str),
					label(message("attributes", 5, ".io.cloudevents.v1.CloudEvent.AttributesEntry"), true),
				}, oneof(field("binary_data", 6, byt), field("text_data", 7, str), message("proto_data", 8, ".google.protobuf.Any"))...),
				OneofDecl: []*descriptorpb.OneofDescriptorProto{{Name: proto.String("data")}},
				NestedType: []*descriptorpb.DescriptorProto{
					{
						Name:    proto.String("AttributesEntry"),
						Field:   []*descriptorpb.FieldDescriptorProto{field("key", 1, str), message("value", 2, ".io.cloudevents.v1.CloudEvent.CloudEventAttributeValue")},
						Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)},
					},
					{
						Name: proto.String("CloudEventAttributeValue"),
						Field: oneof(field("ce_boolean", 1, bul), field("ce_integer", 2, in32), field("ce_string", 3, str), field("ce_bytes", 4, byt),
							field("ce_uri", 5, str), field("ce_uri_ref", 6, str), message("ce_timestamp", 7, ".google.protobuf.Timestamp")),
						OneofDecl: []*descriptorpb.OneofDescriptorProto{{Name: proto.String("attr")}},
					},
				},
			},
			{
				Name:  proto.String("CloudEventBatch"),
				Field: []*descriptorpb.FieldDescriptorProto{label(message("events", 1, ".io.cloudevents.v1.CloudEvent"), true)},
			},
		},
	}
	fd, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
	if err != nil {
		tb.Fatal(err)
	}
	return fd.Messages().ByName("CloudEventBatch")
}

// fromProto reads a CloudEventBatch with the protobuf library.
func fromProto(batch protoreflect.MessageDescriptor, b []byte) ([]plainEvent, error) {
	m := dynamicpb.NewMessage(batch)
	if err := proto.Unmarshal(b, m); err != nil {
		return nil, err
	}
	var out []plainEvent
	events := m.Get(batch.Fields().ByNumber(1)).List()
	for i := range events.Len() {
		out = append(out, fromProtoEvent(events.Get(i).Message()))
	}
	return out, nil
}

func fromProtoEvent(m protoreflect.Message) plainEvent {
	fields := m.Descriptor().Fields()
	str := func(n protoreflect.FieldNumber) string { return m.Get(fields.ByNumber(n)).String() }
	e := plainEvent{ID: str(1), Source: str(2), Type: str(4), Extensions: map[string]any{"specversion": str(3)}}
	m.Get(fields.ByNumber(5)).Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		attr := v.Message()
		which := attr.WhichOneof(attr.Descriptor().Oneofs().Get(0))
		switch {
		case which == nil:
			e.Extensions[k.String()] = nil
		case k.String() == "subject":
			e.Subject = attr.Get(which).String()
		case k.String() == "datacontenttype":
			e.ContentType = attr.Get(which).String()
		default:
			e.Extensions[k.String()] = attr.Get(which).Interface()
		}
		return true
	})
	if m.Has(fields.ByNumber(7)) {
		e.Data = str(7)
	} else {
		e.Data = string(m.Get(fields.ByNumber(6)).Bytes())
	}
	return e
}

// toSDK writes an event as a server would that uses the CloudEvents SDK.
func toSDK(tb testing.TB, p plainEvent) event.Event {
	tb.Helper()
	e := event.New()
	e.SetID(p.ID)
	e.SetSource(p.Source)
	e.SetType(p.Type)
	if p.Subject != "" {
		e.SetSubject(p.Subject)
	}
	for k, v := range p.Extensions {
		e.SetExtension(k, v)
	}
	var data any = []byte(p.Data)
	if strings.HasPrefix(p.ContentType, "text/") {
		data = p.Data
	}
	if err := e.SetData(p.ContentType, data); err != nil {
		tb.Fatal(err)
	}
	return e
}

func encodeSDK(tb testing.TB, events []plainEvent) []byte {
	tb.Helper()
	var out []event.Event
	for _, p := range events {
		out = append(out, toSDK(tb, p))
	}
	b, err := json.Marshal(out)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// encodeProto writes events with the protobuf library. Whole numbers are ce_integer, subjects ce_uri_ref.
func encodeProto(tb testing.TB, batch protoreflect.MessageDescriptor, events []plainEvent) []byte {
	tb.Helper()
	m := dynamicpb.NewMessage(batch)
	list := m.Mutable(batch.Fields().ByNumber(1)).List()
	for _, p := range events {
		e := list.AppendMutable().Message()
		fields := e.Descriptor().Fields()
		for n, s := range map[protoreflect.FieldNumber]string{1: p.ID, 2: p.Source, 3: "1.0", 4: p.Type} {
			e.Set(fields.ByNumber(n), protoreflect.ValueOfString(s))
		}
		attributes := e.Mutable(fields.ByNumber(5)).Map()
		set := func(k string, n protoreflect.FieldNumber, v protoreflect.Value) {
			value := attributes.Mutable(protoreflect.ValueOfString(k).MapKey()).Message()
			value.Set(value.Descriptor().Fields().ByNumber(n), v)
		}
		if p.Subject != "" {
			set("subject", 6, protoreflect.ValueOfString(p.Subject))
		}
		set("datacontenttype", 3, protoreflect.ValueOfString(p.ContentType))
		for k, v := range p.Extensions {
			if n, ok := v.(int32); ok {
				set(k, 2, protoreflect.ValueOfInt32(n))
			} else {
				set(k, 3, protoreflect.ValueOfString(v.(string)))
			}
		}
		if strings.HasPrefix(p.ContentType, "text/") {
			e.Set(fields.ByNumber(7), protoreflect.ValueOfString(p.Data))
		} else {
			e.Set(fields.ByNumber(6), protoreflect.ValueOfBytes([]byte(p.Data)))
		}
	}
	return marshal(tb, m.Interface())
}

// asPlain is what the samples should look like to the others.
func callsAsPlain(calls []group.Call) []plainEvent {
	var out []plainEvent
	for _, c := range calls {
		subject := string(group.AppendSubject(nil, c.Target))
		parts := strings.SplitN(subject, "/", 3)
		p := plainEvent{
			ID: c.ID, Source: c.Source, Type: "io.stateway.v1.ToFunction", Subject: subject, ContentType: "application/protobuf", Data: string(c.Data),
			Extensions: map[string]any{"functiontype": parts[0] + "/" + parts[1], "attempt": int32(c.Attempt), "generation": decimal(c.Generation)},
		}
		if c.TimeoutMillis > 0 {
			p.Extensions["timeoutms"] = int32(c.TimeoutMillis)
		}
		if c.Traceparent != "" {
			p.Extensions["traceparent"] = c.Traceparent
		}
		out = append(out, p)
	}
	return out
}

func answersAsPlain(answers []group.Answer) []plainEvent {
	var out []plainEvent
	for _, a := range answers {
		p := plainEvent{ID: a.ID, Source: a.Source, Type: "io.stateway.v1.FromFunction", ContentType: "application/protobuf", Data: string(a.Data), Extensions: map[string]any{}}
		if a.Kind != group.Result {
			p.Type, p.ContentType, p.Data = "io.stateway.v1.Error", "text/plain", a.Message
			p.Extensions["errorkind"] = a.Kind.String()
		}
		if a.Kind == group.RetryAfter {
			p.Extensions["retryafterms"] = int32(a.RetryAfterMillis)
		}
		if a.Encodings != 0 {
			p.Extensions["encodings"] = a.Encodings.String()
		}
		out = append(out, p)
	}
	return out
}

// normal brings extensions to one form: the SDK has none for none, protobuf shows the version among them.
func normal(events []plainEvent) []plainEvent {
	for i := range events {
		e := &events[i]
		delete(e.Extensions, "specversion")
		if len(e.Extensions) == 0 {
			e.Extensions = nil
		}
	}
	return events
}

func unpackForTest(tb testing.TB, b []byte) []byte {
	tb.Helper()
	var packed struct {
		Statewaygroup int
		Zstd          []byte
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&packed); err != nil || packed.Statewaygroup != 1 {
		tb.Fatalf("%v in %s", err, b)
	}
	return unzstd(tb, packed.Zstd)
}
