package http

import (
	"strings"
	"testing"

	"github.com/stateway/stateway/runtime/core"
)

func TestFunctionNamesInURLs(t *testing.T) {
	tests := []struct{ template, name, want string }{
		{"http://h/{function.name}", "a-b_c.d", "/a-b_c.d"},
		{"http://h/x?f={function.name}", "é", "/x?f=%C3%A9"},
		{"http://h/{function.name}", "a/b", "/a/b"},
		{"http://h/{function.name}", "a b", ""},
		{"http://h/{function.name}", "a?b", ""},
		{"http://h/{function.name}", "a\r\nHost: evil", ""},
		{"http://{function.name}.h/", "a", "/"},
		{"http://{function.name}.h/", "evil.example/", ""},
		{"http://{function.name}.h/", "user@evil.example:80", ""},
		{"http://h", "any thing", "/"},
	}
	for _, tt := range tests {
		r, err := newRoute(tt.template, core.FunctionType("ns/"+tt.name))
		if tt.want == "" {
			if err == nil {
				t.Errorf("%s with %q: got %s, want an error", tt.template, tt.name, r.text)
			}
			continue
		}
		if err != nil || !strings.HasPrefix(string(r.head), "POST "+tt.want+" HTTP/1.1\r\n") {
			t.Errorf("%s with %q: got %v, %v, want %s", tt.template, tt.name, r, err, tt.want)
		}
	}
	s := newScript(t, always(okAnswer()))
	inv := invocation("Kim")
	inv.Target.Type = "ns/a b"
	o := newCaller(t, Config{URL: s.url + "/{function.name}"}).call(inv)
	if o.Class != core.OutcomeFailed || !strings.Contains(o.Reason, "cannot stand in the URL") {
		t.Errorf("got %v %q", o.Class, o.Reason)
	}
}

func TestHostHeader(t *testing.T) {
	for in, want := range map[string]string{
		"http://h/": "h", "http://h:80/": "h", "http://h:8080/": "h:8080", "https://h:443/": "h", "https://h:80/": "h:80",
		"http://[::1]:80/": "[::1]", "http://user:pw@h/": "h",
	} {
		r, err := newRoute(in, "a/b")
		if err != nil || r.host != want {
			t.Errorf("%s: got %+v, %v, want host %s", in, r, err, want)
		}
	}
}
