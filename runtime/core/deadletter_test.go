package core

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/stateway/stateway/protocol/trace"
)

func TestDeadLetterRoundTrip(t *testing.T) {
	for i, caller := range []Address{{}, {Type: "f/b", ID: "x/y"}} {
		tr := []*trace.Context{nil, testTrace(1)}[i]
		m := &Message{Target: Address{Type: "f/a", ID: "/1/ü"}, Caller: caller, Trace: tr, Arg: encodeValue("f/T", []byte{0, 255})}
		f := &Failure{First: 5, Last: 7, Attempts: 3, Reasons: []string{"one", "two"}}
		got, err := ParseDeadLetter(encodeDeadLetter(m, f, true))
		if err != nil {
			t.Fatal(err)
		}
		want := KeptLetter{Failure: *f, Target: m.Target, Caller: caller, Typename: "f/T", Arg: m.Arg, Trace: tr}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// A row without typename, as older versions wrote it, is read; what does not tell the message says so.
func TestDeadLetterRows(t *testing.T) {
	old := `{"address":"f/a/1","argument":"CgNmL1QQARoBeA==","attempts":2,"firstFailure":1,"lastFailure":2,"reasons":["no"],"later":1,"traceparent":"00-xx"}`
	got, err := ParseDeadLetter([]byte(old))
	if err != nil || got.Typename != "f/T" || got.Attempts != 2 || len(got.Arg) == 0 || got.Trace != nil {
		t.Errorf("an old row: %+v, %v", got, err)
	}
	for text, want := range map[string]string{
		`{`:                                  "unexpected end",
		`{"address":"f/a"}`:                  "not namespace/name/id",
		`{"address":"f/a/1"}`:                "does not hold the message itself",
		`{"address":"f/a/1","caller":"b"}`:   `caller "b"`,
		`{"address":"f/a/1","argument":"!"}`: "argument",
	} {
		got, err := ParseDeadLetter([]byte(text))
		if !errors.Is(err, ErrRow()) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", text, err, want)
		}
		if strings.Contains(text, "f/a/1") && got.Target.ID != "1" {
			t.Errorf("%s: the address is lost: %+v", text, got)
		}
	}
}

// What cannot be put back stays, and says why: its row is damaged, or nothing serves its type any more.
func TestRedriveRefuses(t *testing.T) {
	s := workerScript{}
	s.run(command{name: "worker", options: []option{{"fresh", "yes"}, {"shards", "2"}}})
	letter := func(to string) KeptLetter { return KeptLetter{Target: scriptAddress(to), Arg: Value("x")} }
	foreign := "f/a/1"
	if s.w.cfg.Sharding.Of(scriptAddress(foreign).Hash()) == 0 {
		foreign = "f/a/2"
	}
	for _, c := range []struct {
		letter LoadedLetter
		want   string
	}{
		{LoadedLetter{Size: 9, Problem: "no argument"}, "it cannot be put back: no argument"},
		{LoadedLetter{Size: 9, Letter: letter(foreign)}, "does not belong to shard 0"},
		{LoadedLetter{Size: 9, Letter: letter("gone/a/" + scriptIDOf(s.w, 0))}, "no endpoint serves function type gone/a"},
		{LoadedLetter{}, "there is no such dead letter"},
	} {
		key := []DeadLetterKey{{Until: 1, Seq: 1}}
		s.w.Step(Redrive{Request: 1, Shard: 0, Keys: key}, nil)
		out := s.w.Step(FailuresLoaded{Shard: 0, Request: 1, Letters: []LoadedLetter{c.letter}}, nil)
		if r, ok := out[0].(Redriven); !ok || !strings.Contains(r.Letters[0].Problem, c.want) {
			t.Errorf("got %+v, want %q", out[0], c.want)
		}
	}
	if sh := s.w.shards[0]; sh.open != nil || len(sh.letters.redrives) > 0 {
		t.Errorf("something moved: %+v", sh.letters)
	}
}

// scriptIDOf is an id whose Address lies in a shard.
func scriptIDOf(w *Worker, id ShardID) string {
	for c := 'a'; ; c++ {
		if w.cfg.Sharding.Of(Address{ID: string(c)}.Hash()) == id {
			return string(c)
		}
	}
}

func FuzzParseDeadLetter(f *testing.F) {
	f.Add([]byte(`{"address":"f/a/1","argument":"CgNmL1QQARoBeA==","attempts":2,"reasons":["no"],"traceparent":"` + testTrace(1).String() + `"}`))
	f.Add([]byte(`{"address":"f/a/1","argument":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ParseDeadLetter(b)
		if err != nil {
			if !errors.Is(err, ErrRow()) {
				t.Error(err)
			}
			return
		}
		again, err := ParseDeadLetter(encodeDeadLetter(&Message{Target: d.Target, Caller: d.Caller, Arg: d.Arg, Trace: d.Trace}, &d.Failure, true))
		if err != nil || again.Target != d.Target || again.Caller != d.Caller || string(again.Arg) != string(d.Arg) || !equalTrace(again.Trace, d.Trace) || !json.Valid(b) {
			t.Errorf("got %+v, %v, want %+v", again, err, d)
		}
	})
}
