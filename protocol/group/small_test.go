package group_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/protocol/wire"
)

func TestSubjects(t *testing.T) {
	cases := []struct {
		a    wire.Address
		want string
	}{
		{wire.Address{Namespace: "example", Type: "cart", ID: "Kim"}, "example/cart/Kim"},
		{wire.Address{Namespace: "example", Type: "cart", ID: ""}, "example/cart/"},
		{wire.Address{Namespace: "example", Type: "cart", ID: "a/b//"}, "example/cart/a/b//"},
		{wire.Address{Namespace: "a/b", Type: "c", ID: "100%"}, "a%2Fb/c/100%25"},
		{wire.Address{Namespace: "é", Type: "ü ", ID: "日本 😀"}, "é/ü /日本 😀"},
		{wire.Address{Namespace: "n", Type: "t", ID: "\x00\n\x7f"}, "n/t/%00%0A%7F"},
		{wire.Address{Namespace: "n", Type: "t", ID: "\u0085\ufffe\ufdd0\U0010ffff"}, "n/t/%C2%85%EF%BF%BE%EF%B7%90%F4%8F%BF%BF"},
		{wire.Address{Namespace: "n", Type: "t", ID: "\xff\xc3é"}, "n/t/%FF%C3é"},
	}
	for _, c := range cases {
		got := string(group.AppendSubject(nil, c.a))
		if got != c.want {
			t.Errorf("%+v: got %q, want %q", c.a, got, c.want)
		}
		if back, err := group.ParseSubject(got); err != nil || back != c.a {
			t.Errorf("%q: got %+v %v, want %+v", got, back, err, c.a)
		}
	}
	for _, bad := range []string{"", "a", "a/b", "/b/c", "a//c", "a/b/%", "a/b/%2", "a/b/%2x", "%g0/b/c"} {
		if a, err := group.ParseSubject(bad); err == nil {
			t.Errorf("%q: got %+v, want an error", bad, a)
		}
	}
}

func FuzzSubject(f *testing.F) {
	f.Add("example", "cart", "Kim/%\x00\xff")
	f.Fuzz(func(t *testing.T, namespace, name, id string) {
		a := wire.Address{Namespace: namespace, Type: name, ID: id}
		back, err := group.ParseSubject(string(group.AppendSubject(nil, a)))
		if namespace != "" && name != "" && (err != nil || back != a) {
			t.Errorf("got %+v %v, want %+v", back, err, a)
		}
		_, _ = group.ParseSubject(id)
	})
}

func TestAnnouncements(t *testing.T) {
	set := func(list ...group.Encoding) group.Encodings {
		var s group.Encodings
		for _, e := range list {
			s = s.With(e)
		}
		return s
	}
	cases := []struct {
		values []string
		want   group.Encodings
	}{
		{nil, 0},
		{[]string{""}, 0},
		{[]string{"1"}, set(group.JSON)},
		{[]string{`1; encodings="json protobuf"`}, set(group.JSON, group.Protobuf)},
		{[]string{`1;other=",;";encodings="protobuf  cbor packed"`}, set(group.JSON, group.Protobuf, group.Packed)},
		{[]string{`2; encodings="x, 1", 1; encodings=protobuf`}, set(group.JSON, group.Protobuf)},
		{[]string{"2", " 1 "}, set(group.JSON)},
		{[]string{"11"}, 0},
		{[]string{`2; encodings="json`}, 0},
		{[]string{"1;" + strings.Repeat("x", 2000)}, 0},
	}
	for _, c := range cases {
		if got := group.ParseAnnouncement(c.values...); got != c.want {
			t.Errorf("%q: got %q, want %q", c.values, got, c.want)
		}
	}
	all := set(group.JSON, group.Protobuf)
	if got := group.Announce(all); got != `1; encodings="json protobuf"` || group.ParseAnnouncement(got) != all {
		t.Errorf("announces %q", got)
	}
}

func TestAnswersAreMatched(t *testing.T) {
	var m group.Match
	for range 2 { // it can be used again
		m.Reset()
		for _, id := range []string{"7-a-0-1", "7-a-0-2", "7-a-0-3", "7-a-0-4"} {
			m.Asked(id)
		}
		var got []int
		for _, id := range []string{"7-a-0-3", "7-a-0-1", "7-a-0-3", "7-a-0-3", "6-ff-0-9", "7-a-0-5", "", "x", "7-a-0", "7-a-0-2-1", "7-A-0-1"} {
			if i, ok := m.Answered(id); ok {
				got = append(got, i)
			}
		}
		var missing []int
		m.Missing(func(i int) { missing = append(missing, i) })
		if !reflect.DeepEqual(got, []int{2, 0}) || !reflect.DeepEqual(missing, []int{1, 3}) {
			t.Errorf("answered %v, missing %v", got, missing)
		}
		if want := (group.Stray{Doubled: 2, Older: 2, Unknown: 5}); m.Stray() != want {
			t.Errorf("got %+v, want %+v", m.Stray(), want)
		}
	}
}

func TestKindsHaveNames(t *testing.T) {
	got := []string{group.Result.String(), group.Retry.String(), group.RetryAfter.String(), group.Poison.String(), group.Invalid.String(), group.Kind(9).String()}
	if want := []string{"result", "retry", "retryafter", "poison", "invalid", "kind(9)"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
