package module

import "testing"

func TestTypeNameSplitsAsJava(t *testing.T) {
	for _, c := range []struct {
		in, want string // want "" means refused
	}{
		{"a/b", "a/b"},
		{"a/b/", "a/b"},
		{"a/b//", "a/b"},
		{"/b", "/b"},
		{"com.example/*", "com.example/*"},
		{"a b/c d", "a b/c d"},
		{"", ""},
		{"/", ""},
		{"a", ""},
		{"a/", ""},
		{"a//b", ""},
		{"a/b/c", ""},
	} {
		got, err := ParseTypeName(c.in)
		if (err != nil) != (c.want == "") || (err == nil && got.String() != c.want) {
			t.Errorf("ParseTypeName(%q) = %v, %v; want %q", c.in, got, err, c.want)
		}
	}
}

func TestPattern(t *testing.T) {
	for _, refused := range []string{"*", "*/*", "*/a", "a/b*", "a/*b", "a*/b", "a/**", "a"} {
		if p, err := ParsePattern(refused); err == nil {
			t.Errorf("ParsePattern(%q) = %v, want an error", refused, p)
		}
	}
	all, one := Pattern{"a", "*"}, Pattern{"a", "b"}
	if !all.Wildcard() || one.Wildcard() {
		t.Error("only a/* is a wildcard")
	}
	for _, c := range []struct {
		p    Pattern
		t    TypeName
		want bool
	}{
		{all, TypeName{"a", "b"}, true},
		{all, TypeName{"ab", "b"}, false},
		{one, TypeName{"a", "b"}, true},
		{one, TypeName{"a", "c"}, false},
	} {
		if got := c.p.Matches(c.t); got != c.want {
			t.Errorf("%v matches %v: %v", c.p, c.t, got)
		}
	}
}
