package module

import (
	"strings"
	"testing"
)

func TestResolve(t *testing.T) {
	for _, c := range []struct {
		template, name string
		want           Target
	}{
		{"http://fn:8000/statefun", "x", Target{false, "tcp", "fn:8000", "fn", "fn:8000", "/statefun"}},
		{"http://fn", "x", Target{false, "tcp", "fn:80", "fn", "fn", "/"}},
		{"http://fn:80?q", "x", Target{false, "tcp", "fn:80", "fn", "fn", "/?q"}},
		{"https://fn:443/a#top", "x", Target{true, "tcp", "fn:443", "fn", "fn", "/a"}},
		{"https://fn:80/a", "x", Target{true, "tcp", "fn:80", "fn", "fn:80", "/a"}},
		{"HTTP://[::1]:8080/a", "x", Target{false, "tcp", "[::1]:8080", "::1", "[::1]:8080", "/a"}},
		{"http://u:p@fn/a", "x", Target{false, "tcp", "fn:80", "fn", "fn", "/a"}},
		{"http://{function.name}.svc/f/{function.name}?n={function.name}", "cart", Target{false, "tcp", "cart.svc:80", "cart.svc", "cart.svc", "/f/cart?n=cart"}},
		{"http://fn/a%20b/%2F?q=%20+x", "x", Target{false, "tcp", "fn:80", "fn", "fn", "/a%20b/%2F?q=%20+x"}},
		{"http://fn/../{function.name}", "grün", Target{false, "tcp", "fn:80", "fn", "fn", "/../gr%C3%BCn"}},
		{"http+unix:///run/fn.sock/statefun/x?q=1", "x", Target{false, "unix", "/run/fn.sock", "localhost", "localhost", "/statefun/x"}},
		{"https+unix:///run/my%20fn.sock", "x", Target{true, "unix", "/run/my fn.sock", "localhost", "localhost", "/"}},
		{"http+unix://ignored/a.sock/b.sock/%20", "x", Target{false, "unix", "/a.sock", "localhost", "localhost", "/b.sock/%20"}},
		{"http+unix:///run/{function.name}.sock/", "cart", Target{false, "unix", "/run/cart.sock", "localhost", "localhost", "/"}},
	} {
		got, err := URLTemplate{text: c.template}.Resolve(c.name)
		if err != nil || got != c.want {
			t.Errorf("%s for %s:\n got %+v, %v\nwant %+v", c.template, c.name, got, err, c.want)
		}
	}
}

func TestResolveRefuses(t *testing.T) {
	for _, c := range []struct{ template, name string }{
		{"fn:8000/statefun", "x"},
		{"/statefun", "x"},
		{"ftp://fn/", "x"},
		{"http:///path", "x"},
		{"http://fn:0/", "x"},
		{"http://fn:port/", "x"},
		{"http://fn:65536/", "x"},
		{"http://fn/{function.name}", "a b"},
		{"http://fn/{function.name}", "a\r\nX: y"},
		{"http://fn/{function.name}", "%zz"},
		{"http://{function.name}/", ""},
		{"http://{function.name}/", "grün"},
		{"http+unix:///run/fn.socket/x", "x"},
		{"http+unix:///run/a%00.sock/x", "x"},
	} {
		if got, err := (URLTemplate{text: c.template}).Resolve(c.name); err == nil {
			t.Errorf("%s for %q gave %+v", c.template, c.name, got)
		}
	}
	_, err := URLTemplate{text: "http://me:pass@h:0/x@y"}.Resolve("f")
	if err == nil || strings.Contains(err.Error(), "pass") {
		t.Errorf("a message shows a password: %v", err)
	}
}

func TestPerFunction(t *testing.T) {
	if (URLTemplate{text: "http://h/x"}).PerFunction() || !(URLTemplate{text: "http://h/{function.name}"}).PerFunction() {
		t.Error("only a URL with {function.name} depends on the function")
	}
}

func FuzzResolve(f *testing.F) {
	f.Add("http://{function.name}/x?y", "cart")
	f.Add("http+unix:///a.sock/b", "cart")
	f.Fuzz(func(t *testing.T, template, name string) {
		got, err := URLTemplate{text: template}.Resolve(name)
		if err != nil {
			return
		}
		if !strings.HasPrefix(got.RequestURI, "/") || strings.ContainsAny(got.RequestURI+got.Host, " \r\n") || got.Address == "" {
			t.Errorf("%q for %q gave %+v", template, name, got)
		}
	})
}
