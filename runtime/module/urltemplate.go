package module

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// URLTemplate is the text of urlPathTemplate, checked. Its one placeholder, {function.name}, stands for the name
// part of the function type, anywhere in the text.
type URLTemplate struct {
	text string
}

const namePlaceholder = "{function.name}"

// Target is a URL taken apart for a client.
type Target struct {
	// TLS says whether to speak TLS (https and https+unix).
	TLS bool
	// Network is "tcp" or "unix".
	Network string
	// Address is what to dial: host:port, or the path of the socket.
	Address string
	// ServerName is the host without port, for TLS; "localhost" over a Unix socket.
	ServerName string
	// Host is what the Host header says: without the port where that is the scheme's default.
	Host string
	// RequestURI is path and query, byte for byte as the template has them. At least "/".
	RequestURI string
}

// String gives the template as written.
func (t URLTemplate) String() string { return t.text }

// MarshalJSON writes the template as text.
func (t URLTemplate) MarshalJSON() ([]byte, error) { return json.Marshal(t.text) }

// PerFunction reports whether the URL depends on the function's name.
func (t URLTemplate) PerFunction() bool { return strings.Contains(t.text, namePlaceholder) }

// TLS reports whether the scheme is https or https+unix.
func (t URLTemplate) TLS() bool { return strings.HasPrefix(t.scheme(), "https") }

func (t URLTemplate) scheme() string {
	scheme, _, _ := strings.Cut(t.text, ":")
	return strings.ToLower(scheme)
}

// Resolve gives the target for a function of that name. It fails if the name makes no URL of the template, which
// for a wildcard endpoint shows only here.
func (t URLTemplate) Resolve(functionName string) (Target, error) {
	text := strings.ReplaceAll(t.text, namePlaceholder, functionName)
	shown := withoutPassword(text)
	if i := strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("\"<>\\^`{|}", r) }); i >= 0 {
		return Target{}, fmt.Errorf("URL %q holds %q, which a URL cannot", shown, text[i])
	}
	u, err := url.Parse(text)
	if err != nil {
		var parse *url.Error // says the URL again
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return Target{}, fmt.Errorf("URL %q: %w", shown, err)
	}
	target := Target{TLS: strings.HasPrefix(u.Scheme, "https")}
	switch u.Scheme {
	case "http", "https":
		return target.overTCP(text, u)
	case "http+unix", "https+unix":
		return target.overUnix(text)
	default:
		return Target{}, fmt.Errorf("URL %q has none of the schemes http, https, http+unix, https+unix", shown)
	}
}

func (t Target) overTCP(text string, u *url.URL) (Target, error) {
	shown := withoutPassword(text)
	if u.Hostname() == "" {
		return Target{}, fmt.Errorf("URL %q names no host", shown)
	}
	port, standard := u.Port(), "80"
	if t.TLS {
		standard = "443"
	}
	if port == "" {
		port = standard
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return Target{}, fmt.Errorf("URL %q has the port %q, and ports are 1 to 65535", shown, port)
	}
	for _, c := range []byte(u.Host) {
		if c >= 0x80 {
			return Target{}, fmt.Errorf("URL %q has a host outside ASCII", shown)
		}
	}
	t.Network, t.ServerName = "tcp", u.Hostname()
	host := u.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	t.Address, t.Host = host+":"+port, host
	if port != standard {
		t.Host = t.Address
	}
	t.RequestURI = requestURI(afterAuthority(text))
	return t, nil
}

// overUnix cuts the path after the first component that ends in .sock. Authority and query are not used.
func (t Target) overUnix(text string) (Target, error) {
	shown := withoutPassword(text)
	raw := afterAuthority(text)
	raw, _, _ = strings.Cut(raw, "#")
	raw, _, _ = strings.Cut(raw, "?")
	parts := strings.Split(raw, "/")
	for i, part := range parts {
		name, err := url.PathUnescape(part)
		if err != nil {
			return Target{}, fmt.Errorf("URL %q: %w", shown, err)
		}
		if !strings.HasSuffix(name, ".sock") {
			continue
		}
		socket, err := url.PathUnescape(strings.Join(parts[:i+1], "/"))
		if err != nil || strings.ContainsRune(socket, 0) {
			return Target{}, fmt.Errorf("URL %q names no socket file", shown)
		}
		t.Network, t.Address = "unix", path.Clean(socket)
		t.ServerName, t.Host = "localhost", "localhost"
		t.RequestURI = requestURI("/" + strings.Join(parts[i+1:], "/"))
		return t, nil
	}
	return Target{}, fmt.Errorf("URL %q: no part of its path ends in .sock", shown)
}

// withoutPassword hides user and password of a URL that goes into a message.
func withoutPassword(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if !ok || at < 0 {
		return text
	}
	return scheme + "://***" + rest[at:]
}

// afterAuthority returns what follows scheme://authority, as written.
func afterAuthority(text string) string {
	_, rest, _ := strings.Cut(text, ":")
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		i := strings.IndexAny(after, "/?#")
		if i < 0 {
			return ""
		}
		return after[i:]
	}
	return rest
}

// requestURI leaves the fragment out, puts a slash where there is no path, and escapes what is not ASCII.
func requestURI(s string) string {
	s, _, _ = strings.Cut(s, "#")
	if !strings.HasPrefix(s, "/") {
		s = "/" + s
	}
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < 0x80 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func (l *loader) urlTemplate(s string, at Position) URLTemplate {
	t := URLTemplate{text: s}
	plain := strings.ReplaceAll(s, namePlaceholder, "")
	if i := strings.IndexByte(plain, '{'); i >= 0 {
		word, _, _ := strings.Cut(plain[i:], "}")
		l.errorf(at, "the only placeholder is "+namePlaceholder, "urlPathTemplate: %s} is no placeholder", word)
		return t
	}
	if _, err := t.Resolve("function"); err != nil {
		l.errorf(at, "write http://host:port/path, https://host/path or http+unix:///path/name.sock/path", "urlPathTemplate: %v", err)
		return t
	}
	if u, err := url.Parse(strings.ReplaceAll(s, namePlaceholder, "function")); err == nil && u.User != nil {
		l.warnf(at, "leave them out", "urlPathTemplate: user and password of a URL are not sent")
	}
	return t
}
