package playground

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stateway/stateway/runtime/core"
)

func TestParsePath(t *testing.T) {
	tests := []struct {
		path   string
		want   core.Address
		reason string // empty: accepted
	}{
		{"/example/person/Bob", core.Address{Type: "example/person", ID: "Bob"}, ""},
		{"/example/person/a%2Fb", core.Address{Type: "example/person", ID: "a/b"}, ""},
		{"/com.example/user-shopping-cart/1", core.Address{Type: "com.example/user-shopping-cart", ID: "1"}, ""},
		{"/example/person/J%C3%BCrgen%20B", core.Address{Type: "example/person", ID: "Jürgen B"}, ""},
		{"/example/person/a+b", core.Address{Type: "example/person", ID: "a+b"}, ""},
		{"/example/person/%2525", core.Address{Type: "example/person", ID: "%25"}, ""},
		{"/example/person", core.Address{}, "want /<function namespace>"},
		{"/example/person/a/b", core.Address{}, "want /<function namespace>"},
		{"/example/person/Bob/", core.Address{}, "want /<function namespace>"},
		{"/", core.Address{}, "want /<function namespace>"},
		{"", core.Address{}, "want /<function namespace>"},
		{"/example/person/", core.Address{}, "the id is empty"},
		{"/example//x", core.Address{}, "the function name is empty"},
		{"//person/x", core.Address{}, "the function namespace is empty"},
		{"/example/person/%ff", core.Address{}, "not percent-encoded UTF-8"},
		{"/example/person/%zz", core.Address{}, "not percent-encoded UTF-8"},
		{"/example/person/" + strings.Repeat("x", maxID+1), core.Address{}, "at most 8192"},
	}
	for _, tt := range tests {
		got, p := parsePath(tt.path)
		if tt.reason == "" {
			if p != nil || got != tt.want {
				t.Errorf("%s: got %v, %v, want %v", tt.path, got, p, tt.want)
			}
			continue
		}
		if p == nil || p.status != http.StatusBadRequest || !strings.Contains(p.text, tt.reason) {
			t.Errorf("%s: got %v, %v, want 400 with %q", tt.path, got, p, tt.reason)
		}
	}
}

func TestParseType(t *testing.T) {
	tests := []struct {
		header string
		want   string
		ok     bool
	}{
		{"application/vnd.example/GreetRequest", "example/GreetRequest", true},
		{"Application/VND.com.Example/GreetRequest; charset=utf-8", "com.Example/GreetRequest", true},
		{"application/vnd.type.googleapis.com/a.b.C", "type.googleapis.com/a.b.C", true},
		{"", "", true},
		{"text/plain", "", true},
		{"application/x-www-form-urlencoded", "", true},
		{"application/vnd.ms-excel", "", true},
		{"application/vnd.example/", "", false},
		{"application/vnd./x", "", false},
		{"application/vnd.a b/x", "", false},
		{"application/vnd.a/\xff", "", false},
	}
	for _, tt := range tests {
		got, p := parseType(tt.header)
		if (p == nil) != tt.ok || got != tt.want {
			t.Errorf("%q: got %q, %v", tt.header, got, p)
		}
		if p != nil && p.status != http.StatusUnsupportedMediaType {
			t.Errorf("%q: status %d", tt.header, p.status)
		}
	}
}

func TestParseDedupe(t *testing.T) {
	tests := []struct {
		source, id []string
		want       string
		ok         bool
	}{
		{nil, nil, "", true},
		{[]string{"/shop"}, []string{"17"}, "ce:5:/shop17", true},
		{[]string{"/shop1"}, []string{"7"}, "ce:6:/shop17", true},
		{[]string{"/shop"}, nil, "", false},
		{nil, []string{"17"}, "", false},
		{[]string{""}, []string{"17"}, "", false},
		{[]string{"a", "b"}, []string{"17"}, "", false},
		{[]string{"a"}, []string{strings.Repeat("x", maxDedupe)}, "", false},
	}
	for _, tt := range tests {
		h := http.Header{}
		if tt.source != nil {
			h["Ce-Source"] = tt.source
		}
		if tt.id != nil {
			h["Ce-Id"] = tt.id
		}
		if got, p := parseDedupe(h); got != tt.want || (p == nil) != tt.ok {
			t.Errorf("%v %v: got %q, %v", tt.source, tt.id, got, p)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	f.Add("/example/person/a%2Fb")
	f.Add("/a//%ff")
	f.Fuzz(func(t *testing.T, path string) {
		a, p := parsePath(path)
		if p != nil {
			return
		}
		ns, name, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		name, _, _ = strings.Cut(name, "/")
		ns, _ = url.PathUnescape(ns)
		name, _ = url.PathUnescape(name)
		again := "/" + url.PathEscape(ns) + "/" + url.PathEscape(name) + "/" + url.PathEscape(a.ID)
		if b, p := parsePath(again); p != nil || a != b {
			t.Fatalf("%q gave %v, written again as %q it gives %v %v", path, a, again, b, p)
		}
	})
}

func FuzzParseHeaders(f *testing.F) {
	f.Add("application/vnd.example/GreetRequest; a=b", "/shop", "17")
	f.Add("", "1:", ":1")
	f.Fuzz(func(t *testing.T, contentType, source, id string) {
		if typename, p := parseType(contentType); p == nil && typename != "" && !strings.Contains(typename, "/") {
			t.Errorf("typename %q", typename)
		}
		a, p := parseDedupe(http.Header{"Ce-Source": {source}, "Ce-Id": {id}})
		if p != nil || id == "" {
			return
		}
		// Moving the border between source and id makes another pair.
		if b, p := parseDedupe(http.Header{"Ce-Source": {source + id[:1]}, "Ce-Id": {id[1:]}}); p == nil && a == b {
			t.Errorf("%q and %q: two pairs give %q", source, id, a)
		}
	})
}
