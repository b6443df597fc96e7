package main

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/admin"
)

func TestShownIsSafeForATerminal(t *testing.T) {
	cases := map[string]string{
		"a/b/Kim ü": "a/b/Kim ü", "a\nb": `"a\nb"`, "\x1b[2J": `"\x1b[2J"`, "\xff": `"\xff"`, "a\u202eb": `"a\u202eb"`,
	}
	for text, want := range cases {
		if got := shown(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestWholeValue(t *testing.T) {
	cases := []struct {
		value admin.StateValue
		want  string
	}{
		{admin.StateValue{Value: []byte(`"a\nb"`)}, "a\nb"},
		{admin.StateValue{Value: []byte(`""`)}, ""},
		{admin.StateValue{Value: []byte(`12`)}, "12"},
		{admin.StateValue{Value: []byte(`{"a": 1}`)}, `{"a": 1}`},
		{admin.StateValue{Base64: []byte{0, 255}}, "AP8="},
		{admin.StateValue{}, ""},
	}
	for _, c := range cases {
		if got := wholeValue(c.value); got != c.want {
			t.Errorf("%s: got %q, want %q", c.value.Value, got, c.want)
		}
	}
}

func TestCountAndShorter(t *testing.T) {
	if got := strings.Join([]string{count(1, "ingress"), count(2, "ingress"), count(0, "file"), shorter("äöü", 3), shorter("äöüß", 3)}, ", "); got != "1 ingress, 2 ingresses, 0 files, äöü, äö…" {
		t.Error(got)
	}
}

func TestContact(t *testing.T) {
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{
		"127.0.0.1:9911": "127.0.0.1:9911", "[::1]:9911": "[::1]:9911", "0.0.0.0:9911": net.JoinHostPort(name, "9911"), "[::]:1": net.JoinHostPort(name, "1"),
	}
	for text, want := range cases {
		at, err := net.ResolveTCPAddr("tcp", text)
		if err != nil {
			t.Fatal(err)
		}
		if got := contact(at); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestWaitingMessages(t *testing.T) {
	cases := map[string]admin.Address{
		"0": {}, "2": {Waiting: 2}, "1+": {MoreWait: true}, "3+": {Waiting: 2, MoreWait: true},
	}
	for want, a := range cases {
		if got := waiting(a); got != want {
			t.Errorf("%+v: got %s, want %s", a, got, want)
		}
	}
}

func TestJSONLogSpellsDurations(t *testing.T) {
	var out strings.Builder
	newLog("json", &out).Info("ready", "took", 1500*time.Millisecond)
	if !strings.Contains(out.String(), `"took":"1.5s"`) {
		t.Errorf("got %s", out.String())
	}
}
