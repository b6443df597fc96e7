package core

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"
	"unsafe"

	"github.com/stateway/stateway/protocol/trace"
)

var sampleAddresses = []Address{
	{},
	{Type: "f/a", ID: ""},
	{Type: "example/cart", ID: "Kim"},
	{Type: "a/b/c", ID: "id/with/slashes\x00\xff"},
}

func TestAddressKeysReadBack(t *testing.T) {
	for _, a := range sampleAddresses {
		for _, rest := range []string{"", "s", "sname", "\x00"} {
			key := append(AddressPrefix(TableAddress, a), rest...)
			got, tail, err := CutAddressKey(key)
			if err != nil || got != a || string(tail) != rest {
				t.Errorf("%v + %q: got %v, %q, %v", a, rest, got, tail, err)
			}
		}
	}
}

func TestAddressKeyOfAnotherHashIsDamaged(t *testing.T) {
	key := AddressPrefix(TableAddress, Address{Type: "f/a", ID: "1"})
	key[3] ^= 1
	if _, _, err := CutAddressKey(key); !errors.Is(err, ErrRow()) {
		t.Errorf("got %v", err)
	}
}

func TestTimerKeysOrderAsTheirRows(t *testing.T) {
	keys := []TimerKey{{0, 0}, {0, 9}, {1, 0}, {255, 1}, {256, 0}, {1 << 62, math.MaxUint64}}
	for i, a := range keys {
		for j, b := range keys {
			if got := bytes.Compare(a.Append(nil), b.Append(nil)) < 0; got != (i < j) || a.Less(b) != got {
				t.Errorf("%v before %v: rows say %v, Less says %v", a, b, got, a.Less(b))
			}
		}
		if got, err := ParseTimerKey(a.AppendValue(nil)); err != nil || got != a {
			t.Errorf("%v: got %v, %v", a, got, err)
		}
	}
	if got := must(ParseTimerKey(TimerKey{Due: -5, Seq: 1}.AppendValue(nil))); got.Due != 0 {
		t.Errorf("a time before 1970: got %v", got)
	}
}

func TestOutboxKeysOrderAsTheirRows(t *testing.T) {
	keys := []OutboxKey{{1, 2}, {1, 300}, {2, 0}, {300, 1}}
	for i, a := range keys {
		for j, b := range keys {
			if got := bytes.Compare(a.Append(nil, "n/e"), b.Append(nil, "n/e")) < 0; got != (i < j) || a.Less(b) != got {
				t.Errorf("%v before %v: rows say %v", a, b, got)
			}
		}
		egress, got, err := ParseOutboxKey(a.Append(nil, "n/e"))
		if err != nil || got != a || egress != "n/e" {
			t.Errorf("%v: got %s, %v, %v", a, egress, got, err)
		}
		if !bytes.HasPrefix(a.Append(nil, "n/e"), OutboxPrefix("n/e")) || bytes.HasPrefix(a.Append(nil, "n/e"), OutboxPrefix("n/")) {
			t.Errorf("%v: prefixes", a)
		}
	}
}

func TestMailboxKeysOrderAsSent(t *testing.T) {
	a := Address{Type: "f/a", ID: "1"}
	prefix := AddressPrefix(TableMailbox, a)
	low, high := MailboxKey(a, 255), MailboxKey(a, 256)
	if bytes.Compare(low, high) >= 0 {
		t.Error("255 comes after 256")
	}
	if seq, err := CutSeq(high[len(prefix):]); err != nil || seq != 256 {
		t.Errorf("got %d, %v", seq, err)
	}
	if _, err := CutSeq(high); !errors.Is(err, ErrRow()) {
		t.Errorf("a whole key as sequence number: %v", err)
	}
}

func TestStoredMessagesReadBack(t *testing.T) {
	for i, caller := range sampleAddresses {
		tr := []*trace.Context{nil, testTrace(1)}[i%2]
		m := &Message{Target: Address{Type: "f/a", ID: "1"}, Caller: caller, Trace: tr, Arg: Value("arg"), seq: 7}
		row := m.appendRow(&rowBuffer{})
		got, err := ParseStoredMessage(7, row.Value)
		want := StoredMessage{Seq: 7, Caller: caller, Trace: tr, Arg: Value("arg")}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
}

func TestTimerRowsReadBack(t *testing.T) {
	for _, tr := range []*trace.Context{nil, testTrace(1)} {
		want := TimerRow{
			Key: TimerKey{Due: 5, Seq: 6}, Sender: sampleAddresses[2], Target: sampleAddresses[3], Token: "tok", Trace: tr, Arg: Value("arg"),
		}
		row := (&timer{TimerRow: want}).appendRow(&rowBuffer{})
		got, err := ParseTimerRow(row.Key, row.Value)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
}

func TestOutboxRowsReadBack(t *testing.T) {
	for _, tr := range []*trace.Context{nil, testTrace(1)} {
		r := &OutRecord{Key: OutboxKey{1, 2}, Arg: Value("arg"), Trace: tr, name: "n/e"}
		row := r.appendRow(&rowBuffer{})
		got, err := ParseOutboxRow(row.Key, row.Value)
		if want := (OutboxRow{Key: r.Key, Trace: tr, Arg: r.Arg}); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
}

// A trace context costs a row one byte if there is none, and 26 otherwise; a message in memory is charged for it.
func TestWhatATraceCosts(t *testing.T) {
	m := &Message{Target: Address{Type: "f/a", ID: "1"}, Arg: Value("arg")}
	size, row := m.Size(), len(m.appendRow(&rowBuffer{}).Value)
	if want := 2 + 1 + len("arg"); row != want {
		t.Errorf("a row without a trace has %d bytes, want %d", row, want)
	}
	m.Trace = testTrace(1)
	if got := m.Size() - size; got != trace.Size {
		t.Errorf("a message's trace counts %d bytes", got)
	}
	if got := len(m.appendRow(&rowBuffer{}).Value) - row; got != trace.Size {
		t.Errorf("a row's trace takes %d bytes more", got)
	}
	if s := unsafe.Sizeof(Message{}); s > 208 {
		t.Errorf("a message has %d bytes: more than 208 are allotted as 224", s)
	}
}

func TestSpecsReadBack(t *testing.T) {
	for _, want := range sampleSpecs() {
		got, err := ParseSpecs(AppendSpecs(nil, want))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
}

func sampleSpecs() []Specs {
	return []Specs{
		{States: []StateSpec{}},
		{Learned: 5, States: []StateSpec{{Name: "n", Typename: "t"}, {Name: "", Typename: "", Mode: ExpireAfterInvoke, TTL: 7}}},
	}
}

func TestFailuresReadBack(t *testing.T) {
	f := &Failure{}
	for i := range 8 {
		f.note(Millis(i+1), "reason "+string(rune('a'+i)))
		f.Attempts++
	}
	f.note(99, string(make([]byte, 5000)))
	f.note(100, string(make([]byte, 5000)))
	got, err := ParseFailure(AppendFailure(nil, f))
	if err != nil || !reflect.DeepEqual(got, f) {
		t.Errorf("got %+v, %v", got, err)
	}
	if len(f.Reasons) != 5 || f.Reasons[0] != "reason e" || f.First != 1 || f.Last != 100 || len(f.Reason()) != 1024 {
		t.Errorf("kept %+v", f)
	}
}

func TestMillisReadBack(t *testing.T) {
	for _, want := range []Millis{0, 1, -1, math.MaxInt64, math.MinInt64} {
		if got, err := ParseMillis(AppendMillis(nil, want)); err != nil || got != want {
			t.Errorf("%d: got %d, %v", want, got, err)
		}
	}
}

// Every decoder refuses what was cut short, and never panics.
func TestDecodersRefuseEveryTruncation(t *testing.T) {
	f := &Failure{First: 1, Last: 2, Attempts: 3, Reasons: []string{"r", "s"}}
	timerRow := (&timer{TimerRow: TimerRow{Key: TimerKey{5, 6}, Token: "tok", Trace: testTrace(1)}}).appendRow(&rowBuffer{})
	message := (&Message{Trace: testTrace(1)}).appendRow(&rowBuffer{})
	record := (&OutRecord{Trace: testTrace(1), name: "n/e"}).appendRow(&rowBuffer{})
	cases := []struct {
		name  string
		bytes []byte
		parse func([]byte) error
	}{
		{"address", AddressPrefix(TableAddress, sampleAddresses[2]), func(b []byte) error { _, _, err := CutAddressKey(b); return err }},
		{"specs", AppendSpecs(nil, sampleSpecs()[1]), func(b []byte) error { _, err := ParseSpecs(b); return err }},
		{"failure", AppendFailure(nil, f), func(b []byte) error { _, err := ParseFailure(b); return err }},
		{"outbox", OutboxKey{1, 2}.Append(nil, "n/e"), func(b []byte) error { _, _, err := ParseOutboxKey(b); return err }},
		{"timer key", TimerKey{1, 2}.AppendValue(nil), func(b []byte) error { _, err := ParseTimerKey(b); return err }},
		{"timer", timerRow.Value, func(b []byte) error { _, err := ParseTimerRow(timerRow.Key, b); return err }},
		{"message", message.Value, func(b []byte) error { _, err := ParseStoredMessage(1, b); return err }},
		{"record", record.Value, func(b []byte) error { _, err := ParseOutboxRow(record.Key, b); return err }},
		{"millis", AppendMillis(nil, 5), func(b []byte) error { _, err := ParseMillis(b); return err }},
	}
	for _, c := range cases {
		if err := c.parse(c.bytes); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		for n := range len(c.bytes) {
			if err := c.parse(c.bytes[:n:n]); !errors.Is(err, ErrRow()) {
				t.Errorf("%s cut to %d bytes: %v", c.name, n, err)
			}
		}
	}
}
