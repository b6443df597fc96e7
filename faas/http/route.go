package http

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/runtime/core"
)

const placeholder = "{function.name}"

// traceHeader is in lower case on the wire, as W3C recommends.
const traceHeader = "traceparent"

// route is where the invocations of one function type go.
type route struct {
	url     *url.URL // for net/http
	text    string   // for errors
	tls     bool
	network string // tcp or unix
	address string // to dial
	host    string // Host header
	begin   string // of a lean request's head, up to the content type
	head    []byte // of an invocation's, up to the value of Content-Length
}

// newRoute puts the name of t into the template.
func newRoute(template string, t core.FunctionType) (*route, error) {
	name, err := urlName(template, t.Name())
	if err != nil {
		return nil, err
	}
	r := &route{text: strings.ReplaceAll(template, placeholder, name)}
	if err := r.parse(); err != nil {
		return nil, fmt.Errorf("URL %q: %w", r.text, err)
	}
	return r, nil
}

// urlName is a function's name as it stands in a URL. Names come with messages: none may change what the URL means.
func urlName(template, name string) (string, error) {
	_, rest, _ := strings.Cut(template, "://")
	host := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host = rest[:i]
	}
	inHost := strings.Contains(host, placeholder)
	if !strings.Contains(template, placeholder) {
		return "", nil
	}
	var b strings.Builder
	for i := range len(name) {
		ch := name[i]
		switch {
		case ch >= 'a' && ch <= 'z', ch >= 'A' && ch <= 'Z', ch >= '0' && ch <= '9', ch == '-', ch == '_', ch == '.':
			b.WriteByte(ch)
		case inHost, ch <= ' ', ch == 0x7f, ch == '?', ch == '#', ch == '\\':
			return "", fmt.Errorf("function name %q cannot stand in the URL %q", name, template)
		case ch >= 0x80:
			fmt.Fprintf(&b, "%%%02X", ch)
		default:
			b.WriteByte(ch)
		}
	}
	return b.String(), nil
}

func (r *route) parse() error {
	for i := range len(r.text) {
		if r.text[i] <= ' ' || r.text[i] == 0x7f {
			return errors.New("holds a blank or control character; write it as %20")
		}
	}
	u, err := url.Parse(r.text)
	if err != nil {
		return err
	}
	scheme, unix := strings.CutSuffix(u.Scheme, "+unix")
	if scheme != "http" && scheme != "https" {
		return fmt.Errorf("scheme %q: must be http, https, http+unix or https+unix", u.Scheme)
	}
	r.tls = scheme == "https"
	target := requestTarget(r.text)
	if unix {
		target, err = r.unixSocket(target)
	} else {
		err = r.hostAndPort(u)
	}
	if err != nil {
		return err
	}
	if r.url, err = url.Parse(scheme + "://" + r.host + target); err != nil {
		return err
	}
	r.begin = "POST " + target + " HTTP/1.1\r\nHost: " + r.host + "\r\nUser-Agent: statefun\r\nContent-Type: "
	r.head = r.appendHead(nil, octetStream, nil)
	return nil
}

// appendHead appends the head of a lean request up to the value of Content-Length.
func (r *route) appendHead(b []byte, contentType string, tr *trace.Context) []byte {
	b = append(b, r.begin...)
	b = append(b, contentType...)
	b = append(b, "\r\nAccept: "...)
	b = append(b, contentType...)
	if tr != nil {
		b = tr.Append(append(b, "\r\n"+traceHeader+": "...))
	}
	return append(b, "\r\nAccept-Encoding: gzip,deflate\r\nConnection: keep-alive\r\nContent-Length: "...)
}

// requestTarget is path and query of a URL as they are written.
func requestTarget(text string) string {
	_, rest, _ := strings.Cut(text, "://")
	rest, _, _ = strings.Cut(rest, "#")
	i := strings.IndexAny(rest, "/?")
	if i < 0 {
		return "/"
	}
	if rest[i] == '?' {
		return "/" + rest[i:]
	}
	return rest[i:]
}

func (r *route) hostAndPort(u *url.URL) error {
	if u.Hostname() == "" {
		return errors.New("has no host")
	}
	def := "80"
	if r.tls {
		def = "443"
	}
	port := u.Port()
	if port == "" {
		port = def
	}
	r.network, r.address = "tcp", net.JoinHostPort(u.Hostname(), port)
	r.host = r.address
	if port == def {
		r.host = strings.TrimSuffix(r.address, ":"+def)
	}
	return nil
}

// unixSocket cuts the path behind the first component that ends in .sock: the socket, then the path of the request.
func (r *route) unixSocket(target string) (string, error) {
	path, _, _ := strings.Cut(target, "?")
	end := 0
	for part := range strings.SplitAfterSeq(path, "/") {
		end += len(part)
		if !strings.HasSuffix(strings.TrimSuffix(part, "/"), ".sock") {
			continue
		}
		end -= len(part) - len(strings.TrimSuffix(part, "/"))
		file, err := url.PathUnescape(path[:end])
		if err != nil {
			return "", err
		}
		r.network, r.address, r.host = "unix", file, "localhost"
		if end == len(path) {
			return "/", nil
		}
		return path[end:], nil
	}
	return "", errors.New("no component of the path ends in .sock")
}
