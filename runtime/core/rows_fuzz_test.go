package core

import (
	"bytes"
	"testing"

	"github.com/stateway/stateway/protocol/trace"
)

// What decodes encodes back to the same bytes, except for lengths that were written longer than need be: those decode to the same.

func FuzzCutAddressKey(f *testing.F) {
	for _, a := range sampleAddresses {
		f.Add(append(AddressPrefix(TableAddress, a), 's', 'n'))
		f.Add(MailboxKey(a, 5))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		a, rest, err := CutAddressKey(key)
		if err != nil {
			return
		}
		again, tail, err := CutAddressKey(append(AddressPrefix(key[0], a), rest...))
		if err != nil || again != a || !bytes.Equal(tail, rest) {
			t.Errorf("%q: %v %q, then %v %q, %v", key, a, rest, again, tail, err)
		}
		_, _ = CutSeq(rest)
		_, _ = ParseMillis(rest)
	})
}

func FuzzParseStoredMessage(f *testing.F) {
	m := &Message{Caller: sampleAddresses[2], Arg: Value("arg")}
	f.Add(m.appendRow(&rowBuffer{}).Value)
	m.Trace = testTrace(1)
	f.Add(m.appendRow(&rowBuffer{}).Value)
	f.Add([]byte{})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, value []byte) {
		s, err := ParseStoredMessage(3, value)
		if err != nil {
			return
		}
		row := (&Message{Caller: s.Caller, Trace: s.Trace, Arg: s.Arg}).appendRow(&rowBuffer{})
		again, err := ParseStoredMessage(3, row.Value)
		if err != nil || again.Caller != s.Caller || !equalTrace(again.Trace, s.Trace) || !bytes.Equal(again.Arg, s.Arg) {
			t.Errorf("%q: %+v, then %+v, %v", value, s, again, err)
		}
	})
}

func FuzzParseTimerRow(f *testing.F) {
	row := (&timer{TimerRow: TimerRow{
		Key: TimerKey{5, 6}, Sender: sampleAddresses[2], Target: sampleAddresses[3], Token: "tok", Trace: testTrace(1), Arg: Value("arg"),
	}}).appendRow(&rowBuffer{})
	f.Add(row.Key, row.Value)
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		tr, err := ParseTimerRow(key, value)
		if err != nil {
			return
		}
		out := (&timer{TimerRow: tr}).appendRow(&rowBuffer{})
		again, err := ParseTimerRow(out.Key, out.Value)
		if err != nil || !bytes.Equal(out.Key, key) || again.Target != tr.Target || again.Sender != tr.Sender ||
			again.Token != tr.Token || !equalTrace(again.Trace, tr.Trace) || !bytes.Equal(again.Arg, tr.Arg) {
			t.Errorf("%q %q: %+v, then %+v, %v", key, value, tr, again, err)
		}
	})
}

func FuzzParseSpecs(f *testing.F) {
	for _, s := range sampleSpecs() {
		f.Add(AppendSpecs(nil, s))
	}
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, value []byte) {
		s, err := ParseSpecs(value)
		if err != nil {
			return
		}
		again, err := ParseSpecs(AppendSpecs(nil, s))
		if err != nil || again.Learned != s.Learned || !equalSpecs(again.States, s.States) {
			t.Errorf("%q: %+v, then %+v, %v", value, s, again, err)
		}
	})
}

func FuzzParseFailure(f *testing.F) {
	f.Add(AppendFailure(nil, &Failure{First: 1, Last: 2, Attempts: 3, Reasons: []string{"r"}}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, value []byte) {
		got, err := ParseFailure(value)
		if err != nil {
			return
		}
		out := AppendFailure(nil, got)
		again, err := ParseFailure(out)
		if err != nil || !bytes.Equal(AppendFailure(nil, again), out) {
			t.Errorf("%q: %+v, then %+v, %v", value, got, again, err)
		}
	})
}

func FuzzParseOutboxKey(f *testing.F) {
	f.Add(OutboxKey{1, 2}.Append(nil, "n/e"))
	f.Add([]byte{TableOutbox})
	f.Fuzz(func(t *testing.T, key []byte) {
		egress, k, err := ParseOutboxKey(key)
		if err != nil {
			return
		}
		again, l, err := ParseOutboxKey(k.Append(nil, egress))
		if err != nil || again != egress || l != k {
			t.Errorf("%q: %s %v, then %s %v, %v", key, egress, k, again, l, err)
		}
	})
}

func FuzzParseOutboxRow(f *testing.F) {
	r := &OutRecord{Key: OutboxKey{1, 2}, Arg: Value("arg"), name: "n/e"}
	f.Add(r.appendRow(&rowBuffer{}).Value)
	r.Trace = testTrace(1)
	f.Add(r.appendRow(&rowBuffer{}).Value)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, value []byte) {
		row, err := ParseOutboxRow(r.Key.Append(nil, "n/e"), value)
		if err != nil {
			return
		}
		again := (&OutRecord{Key: row.Key, Trace: row.Trace, Arg: row.Arg, name: "n/e"}).appendRow(&rowBuffer{})
		if !bytes.Equal(again.Value, value) {
			t.Errorf("%q: %+v, then %q", value, row, again.Value)
		}
	})
}

func equalTrace(a, b *trace.Context) bool { return a.String() == b.String() }

func FuzzParseTimerKey(f *testing.F) {
	f.Add(TimerKey{1, 2}.AppendValue(nil))
	f.Add(bytes.Repeat([]byte{0xff}, 16))
	f.Fuzz(func(t *testing.T, value []byte) {
		k, err := ParseTimerKey(value)
		if err != nil {
			return
		}
		if !bytes.Equal(k.AppendValue(nil), value) {
			t.Errorf("%q: %v", value, k)
		}
	})
}
