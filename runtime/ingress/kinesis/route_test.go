package kinesis

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/internal/envelope"
	"github.com/stateway/stateway/internal/kinesistest"
	"github.com/stateway/stateway/internal/kpl"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
)

func TestRouting(t *testing.T) {
	raw := Stream{ValueType: "x/raw", Targets: []core.FunctionType{"a/b"}}
	with := func(change func(*Stream)) Stream {
		s := raw
		change(&s)
		return s
	}
	event := string(envelope.AppendCloudEvent(nil, envelope.CloudEvent{ID: "7", Source: "/shop", Type: "order", Payload: []byte(`{"user":"Kim"}`)}))
	enveloped := string(envelope.AppendStateway(nil, envelope.Stateway{ID: "app-1-2-3", Typename: "y/typed", Payload: []byte(`{"user":"Kim"}`)}))
	tests := []struct {
		rule, data string
		stream     Stream
		want       string // key typename value dedupe, or a part of the error after !
	}{
		{"the partition key is the key", "hello", raw, "pk x/raw hello "},
		{"a text by pointer", `{"user":{"id":"Kim"}}`, with(func(s *Stream) { s.KeyPointer = "/user/id" }), `Kim x/raw {"user":{"id":"Kim"}} `},
		{"a number by pointer, as it is written", `[{"n":10000000000000000001}]`, with(func(s *Stream) { s.KeyPointer = "/0/n" }), `10000000000000000001 x/raw [{"n":10000000000000000001}] `},
		{"escaped names", `{"a/b~c":"k"}`, with(func(s *Stream) { s.KeyPointer = "/a~1b~0c" }), `k x/raw {"a/b~c":"k"} `},
		{"other members are passed over", `{"x":{"id":"no"},"y":[1,[2]],"id":"yes"}`, with(func(s *Stream) { s.KeyPointer = "/id" }), `yes x/raw {"x":{"id":"no"},"y":[1,[2]],"id":"yes"} `},
		{"nothing at the pointer", `{}`, with(func(s *Stream) { s.KeyPointer = "/id" }), "!key pointer /id: nothing is there"},
		{"no array there", `{"a":{"0":"x"}}`, with(func(s *Stream) { s.KeyPointer = "/a/b" }), "!nothing is there"},
		{"an element that is not there", `["x"]`, with(func(s *Stream) { s.KeyPointer = "/1" }), "!nothing is there"},
		{"an index is a number in its shortest form", `["x"]`, with(func(s *Stream) { s.KeyPointer = "/00" }), "!nothing is there"},
		{"an object at the pointer", `{"id":{}}`, with(func(s *Stream) { s.KeyPointer = "/id" }), "!want a text or a number"},
		{"a null at the pointer", `{"id":null}`, with(func(s *Stream) { s.KeyPointer = "/id" }), "!want a text or a number"},
		{"a pointer into no JSON", `hello`, with(func(s *Stream) { s.KeyPointer = "/id" }), "!the value is not JSON"},
		{"an empty key", `{"id":""}`, with(func(s *Stream) { s.KeyPointer = "/id" }), "!its key is empty"},
		{"a key that is too long", `{"id":"` + strings.Repeat("x", 9000) + `"}`, with(func(s *Stream) { s.KeyPointer = "/id" }), "!its key has 9000 bytes"},
		{"a prefix", "Kim: hello", with(func(s *Stream) { s.KeyPrefix = ": " }), "Kim x/raw Kim: hello "},
		{"no prefix", "hello", with(func(s *Stream) { s.KeyPrefix = ":" }), "!does not begin with a key"},
		{"a prefix that is no UTF-8", "a\xff:", with(func(s *Stream) { s.KeyPrefix = ":" }), "a\uFFFD x/raw a\xff: "},
		{"a CloudEvent's data", event, with(func(s *Stream) { s.Format = CloudEvents }), `pk x/raw {"user":"Kim"} `},
		{"its source and id", event, with(func(s *Stream) { s.Format, s.Dedupe, s.KeyPointer = CloudEvents, DedupeCloudEvents, "/user" }), `Kim x/raw {"user":"Kim"} ce:5:/shop7`},
		{"a CloudEvent as a whole, with its ids", event, with(func(s *Stream) { s.Dedupe = DedupeCloudEvents }), "pk x/raw " + event + " ce:5:/shop7"},
		{"no CloudEvent", "hello", with(func(s *Stream) { s.Format = CloudEvents }), "!not an envelope"},
		{"Stateway's envelope tells the type", enveloped, with(func(s *Stream) { s.Format, s.ValueType = Stateway, "" }), `pk y/typed {"user":"Kim"} `},
		{"unless the stream does", enveloped, with(func(s *Stream) { s.Format, s.Dedupe = Stateway, DedupeStateway }), `pk x/raw {"user":"Kim"} sw:app-1-2-3`},
		{"no envelope", "hello", with(func(s *Stream) { s.Format = Stateway }), "!not an envelope"},
		{"no type anywhere", string(envelope.AppendStateway(nil, envelope.Stateway{ID: "1"})), with(func(s *Stream) { s.Format, s.ValueType = Stateway, "" }), "!set valueType"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			for _, routed := range []bool{false, true} {
				s := tt.stream
				if routed {
					s.Router, s.Targets = ingress.Targets(s.Targets...), nil
				}
				r, err := newRouter(s)
				if err != nil {
					t.Fatal(err)
				}
				msgs, err := r.appendMessages("pk", []byte(tt.data), &messages{}, nil)
				if want, bad := strings.CutPrefix(tt.want, "!"); bad {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("error %v, want %s", err, want)
					}
					continue
				}
				if err != nil || len(msgs) != 1 {
					t.Fatalf("%d messages, %v", len(msgs), err)
				}
				key, rest, _ := strings.Cut(tt.want, " ")
				typename, rest, _ := strings.Cut(rest, " ")
				value, dedupe := rest[:strings.LastIndex(rest, " ")], rest[strings.LastIndex(rest, " ")+1:]
				want := core.Message{Target: core.Address{Type: "a/b", ID: key}, Dedupe: dedupe, Arg: ingress.EncodeValue(typename, []byte(value))}
				if fmt.Sprint(*msgs[0]) != fmt.Sprint(want) {
					t.Errorf("got %+v, want %+v", *msgs[0], want)
				}
			}
		})
	}
}

// The trace context of a CloudEvent goes to its messages; one that is not valid costs nothing else.
func TestTraceOfACloudEvent(t *testing.T) {
	const want = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for tr, want := range map[string]string{want: want, "hello": "", "": ""} {
		event := envelope.AppendCloudEvent(nil, envelope.CloudEvent{ID: "7", Source: "/shop", Type: "order", Traceparent: tr, Payload: []byte("x")})
		for _, s := range []Stream{
			{Format: CloudEvents, ValueType: "x/raw", Targets: []core.FunctionType{"a/b", "a/c"}},
			{Dedupe: DedupeCloudEvents, ValueType: "x/raw", Router: ingress.Targets("a/b", "a/c")},
		} {
			r, err := newRouter(s)
			if err != nil {
				t.Fatal(err)
			}
			msgs, err := r.appendMessages("pk", event, &messages{}, nil)
			if err != nil || len(msgs) != 2 || msgs[0].Trace.String() != want || msgs[1].Trace != msgs[0].Trace {
				t.Errorf("%q: %+v, %v", tr, msgs, err)
			}
		}
	}
}

func TestLongIdsAreReplaced(t *testing.T) {
	a, b := shorten("ce:"+strings.Repeat("a", 2000)), shorten("ce:"+strings.Repeat("a", 2001))
	if len(a) > 100 || a == b || shorten("sw:x") != "sw:x" || !strings.HasPrefix(a, "ce:") {
		t.Errorf("%s, %s", a, b)
	}
}

func TestSlabsKeepMessagesApart(t *testing.T) {
	var m messages
	var args []core.Value
	for i := range 5000 {
		args = append(args, m.argument("x/raw", fmt.Append(nil, strings.Repeat("x", i), i)))
	}
	for i, arg := range args {
		if string(arg) != string(ingress.EncodeValue("x/raw", fmt.Append(nil, strings.Repeat("x", i), i))) {
			t.Fatalf("argument %d has changed", i)
		}
		if cap(arg) > len(arg)+16 {
			t.Fatalf("argument %d of %d bytes has a capacity of %d: appending to it would change others", i, len(arg), cap(arg))
		}
	}
}

// damaged is an aggregate with one bit changed.
func damaged() []byte {
	var a kpl.Aggregator
	a.Add("k", "", []byte("one"))
	data := a.AppendTo(nil)
	data[6] ^= 1
	return data
}

func TestBadRecords(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Options)
		want   string // of key k
		held   bool
	}{
		{"hold", func(o *Options) { o.OnInvalid = Hold }, "[k=0]", true},
		{"hold, since no egress is named", func(*Options) {}, "[k=0]", true},
		{"skip", func(o *Options) { o.OnInvalid = Skip }, "[k=0 k=1]", false},
		{"dead letter, since an egress is named", func(o *Options) { o.DeadLetter = "a/dead" }, "[k=0 k=1]", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				service, n := start(t, 2, kinesistest.Options{}, tt.change)
				defer n.halt()
				sequence(service, 0, 1)
				shard, seq := service.Put("s", "k", damaged())
				sequence(service, 1, 2)
				other := "k"
				for i := 0; other == "k"; i++ {
					if id, _ := service.Put("s", fmt.Sprint("o", i), []byte("x")); id != shard {
						other = fmt.Sprint("o", i)
					}
				}
				time.Sleep(time.Minute)
				var got []string
				seen := false
				for _, text := range n.texts() {
					if strings.HasPrefix(text, "k=") {
						got = append(got, text)
					}
					seen = seen || strings.HasPrefix(text, other+"=")
				}
				if fmt.Sprint(got) != tt.want || !seen {
					t.Errorf("got %v, want %s; the other shard is read: %v", got, tt.want, seen)
				}
				err := n.failure()
				if errors.Is(err, ingress.ErrHeld) != tt.held {
					t.Errorf("error %v", err)
				}
				if tt.held && (!strings.Contains(err.Error(), seq) || !strings.Contains(err.Error(), "MD5") || !strings.Contains(err.Error(), shard[8:]+" of stream s")) {
					t.Errorf("the error does not say which record or why: %v", err)
				}
				checkLetters(t, n, shard, seq, n.in.opts.DeadLetter != "")
			})
		})
	}
}

func checkLetters(t *testing.T, n *node, shard, seq string, want bool) {
	t.Helper()
	if len(n.letters) != map[bool]int{true: 1}[want] {
		t.Fatalf("%d dead letters", len(n.letters))
	}
	if !want {
		return
	}
	l := n.letters[0]
	head := len(ingress.EncodeValue(DeadLetterType, []byte{0})) - 1
	var rec DeadLetterRecord
	if err := json.Unmarshal(l.Arg[head+1:], &rec); err != nil {
		t.Fatal(err)
	}
	data := base64.StdEncoding.EncodeToString(damaged())
	wanted := DeadLetterRecord{Stream: "s", Shard: shard, Sequence: seq, Arrival: rec.Arrival, PartitionKey: "k", Reason: rec.Reason, Data: data}
	if l.Egress != "a/dead" || l.Typename != DeadLetterType || rec != wanted || rec.Arrival == 0 || !strings.Contains(rec.Reason, "MD5") {
		t.Errorf("%s %s: %+v", l.Egress, l.Typename, rec)
	}
}

// A bad record stops nothing, also if the egress takes no letter of its size: the letter goes without the data. Shorter ones keep theirs.
func TestDeadLettersThatAreTooLong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 1, kinesistest.Options{}, func(o *Options) { o.DeadLetter = "a/dead" })
		defer n.halt()
		n.mu.Lock()
		n.longest = 1000
		n.mu.Unlock()
		long := append(damaged(), make([]byte, 2000)...)
		service.Put("s", "k", []byte("0"))
		service.Put("s", "k", damaged())
		service.Put("s", "k", long)
		service.Put("s", "k", []byte("1"))
		time.Sleep(time.Minute)
		n.expect(t, []string{"k=0", "k=1"})
		if len(n.letters) != 2 || n.failure() != nil {
			t.Fatalf("%d dead letters, %v", len(n.letters), n.failure())
		}
		if text := string(n.letters[0].Arg); !strings.Contains(text, base64.StdEncoding.EncodeToString(damaged())) || strings.Contains(text, `"size"`) {
			t.Errorf("the short letter: %s", text)
		}
		if text := string(n.letters[1].Arg); !strings.Contains(text, `"data":"","size":`+fmt.Sprint(len(long))) {
			t.Errorf("the long letter: %s", text)
		}
	})
}

// A reason quotes no more of a record than a letter and a line of the log should hold.
func TestReasonsOfBadRecordsAreShort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 1, kinesistest.Options{}, func(o *Options) { o.DeadLetter, o.Streams[0].Format = "a/dead", CloudEvents })
		defer n.halt()
		service.Put("s", "k", []byte(`{"specversion":"`+strings.Repeat("9", 100_000)+`"}`))
		time.Sleep(time.Minute)
		if len(n.letters) != 1 || !strings.Contains(string(n.letters[0].Arg), "specversion is") {
			t.Fatalf("%d dead letters", len(n.letters))
		}
		text := string(n.letters[0].Arg)
		if reason := text[strings.Index(text, `"reason"`):strings.Index(text, `"data"`)]; len(reason) > 2000 {
			t.Errorf("a reason of %d bytes", len(reason))
		}
	})
}

func TestRecordsOfOtherShardsAreDroppedFromAggregates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 2, kinesistest.Options{}, nil)
		defer n.halt()
		var a kpl.Aggregator
		a.Add("low", "0", []byte("1"))
		a.Add("high", kpl.MaxHash.String(), []byte("2"))
		a.Add("low", "1", []byte("3"))
		a.Add("by its key", "", []byte("4"))
		service.PutHashed("s", "a", "0", a.AppendTo(nil))
		service.PutHashed("s", "a", kpl.MaxHash.String(), a.AppendTo(nil))
		var empty kpl.Aggregator
		service.PutHashed("s", "a", "0", empty.AppendTo(nil))
		service.PutHashed("s", "plain", "0", []byte("5"))
		time.Sleep(time.Minute)
		count := map[string]int{}
		for _, text := range n.texts() {
			count[text]++
		}
		want := map[string]int{"low=1": 1, "high=2": 1, "low=3": 1, "by its key=4": 1, "plain=5": 1}
		if fmt.Sprint(count) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v; last error %v", count, want, n.failure())
		}
	})
}

func TestBadRecordsWithinAggregates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 1, kinesistest.Options{}, func(o *Options) { o.DeadLetter = "a/dead" })
		defer n.halt()
		var a kpl.Aggregator
		a.Add("k", "", []byte("1"))
		a.Add("", "", []byte("no key"))
		a.Add("k", "no hash", []byte("bad hash"))
		a.Add("k", "", []byte("2"))
		_, seq := service.Put("s", "a", a.AppendTo(nil))
		time.Sleep(time.Minute)
		n.expect(t, []string{"k=1", "k=2"})
		if len(n.letters) != 2 {
			t.Fatalf("%d dead letters; last error %v", len(n.letters), n.failure())
		}
		for i, sub := range []string{`"sub":2`, `"sub":3`} {
			if text := string(n.letters[i].Arg); !strings.Contains(text, sub) || !strings.Contains(text, seq) {
				t.Errorf("letter %d: %s", i, text)
			}
		}
	})
}

func FuzzPointer(f *testing.F) {
	f.Add("/a/0", []byte(`{"a":["x"]}`))
	f.Add("/~01~1", []byte(`{"~1/":7}`))
	f.Add("/", []byte(`{"":"e"}`))
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		if !strings.HasPrefix(text, "/") {
			return
		}
		p, err := parsePointer(text)
		if err != nil {
			return
		}
		if p.String() != text {
			t.Errorf("%q is %q", text, p)
		}
		_, _ = p.find(data)
	})
}
