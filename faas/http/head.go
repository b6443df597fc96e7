package http

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// head is what was read before a body.
type head struct {
	answer
	length  int64 // -1 without a Content-Length
	chunked bool
	old     bool // HTTP/1.0: the connection ends unless the server says otherwise

	wantsGroup bool // somebody wants to know what the server announces
}

// head reads a status line and headers.
func (rd *reader) head(h *head) error {
	l, err := rd.line()
	if err != nil {
		return err
	}
	*h = head{length: -1, wantsGroup: h.wantsGroup}
	if err := h.statusLine(l); err != nil {
		return err
	}
	keep := false
	for {
		if l, err = rd.line(); err != nil {
			return err
		}
		if len(l) == 0 {
			break
		}
		if err := h.header(l, &keep); err != nil {
			return err
		}
	}
	if h.old && !keep {
		h.close = true
	}
	if h.chunked && h.length >= 0 { // a sign of confusion between proxies: chunked counts, and is the last
		h.close = true
	}
	return nil
}

func (h *head) statusLine(l []byte) error {
	if len(l) < 12 || string(l[:7]) != "HTTP/1." || l[8] != ' ' || (len(l) > 12 && l[12] != ' ') {
		return fmt.Errorf("not an HTTP/1 answer: %q", cut(l))
	}
	for _, ch := range l[9:12] {
		if ch < '0' || ch > '9' {
			return fmt.Errorf("bad status in %q", cut(l))
		}
		h.status = h.status*10 + int(ch-'0')
	}
	if h.status < 100 {
		return fmt.Errorf("bad status in %q", cut(l))
	}
	h.old = l[7] == '0'
	return nil
}

// header reads one header. Those that mean nothing to us are passed over at the cost of a look at their length.
func (h *head) header(l []byte, keep *bool) error {
	i := bytes.IndexByte(l, ':')
	if i <= 0 || l[0] == ' ' || l[0] == '\t' || l[i-1] == ' ' || l[i-1] == '\t' {
		return fmt.Errorf("bad header %q", cut(l))
	}
	name, v := l[:i], bytes.Trim(l[i+1:], " \t")
	switch len(name) {
	case len("date"):
		if !h.ok() && fold(name, "date") {
			h.date = string(v)
		}
	case len("location"):
		if !h.ok() && fold(name, "location") {
			h.location = true
		}
	case len("connection"):
		if fold(name, "connection") {
			h.connection(v, keep)
		}
	case len("retry-after"):
		if !h.ok() && fold(name, "retry-after") {
			h.retryAfter = string(v)
		}
	case len("content-type"):
		if fold(name, "content-type") {
			h.contentType(v)
		}
	case len("content-length"):
		if fold(name, "content-length") {
			return h.contentLength(v)
		}
		if h.wantsGroup && fold(name, groupHeader) {
			h.group = append(h.group, string(v))
		}
	case len("content-encoding"):
		if fold(name, "content-encoding") {
			h.addEncoding(v)
		}
	case len("transfer-encoding"):
		if fold(name, "transfer-encoding") {
			return h.transferEncoding(v)
		}
	}
	return nil
}

// fold compares without regard to the case of letters; lower is in lower case. '-' is its own lower case.
func fold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range b {
		ch := b[i]
		if ch >= 'A' && ch <= 'Z' {
			ch |= 0x20
		}
		if ch != lower[i] {
			return false
		}
	}
	return true
}

// groupHeader is group.Header in lower case, as long as content-length.
const groupHeader = "stateway-group"

const octetStream = "application/octet-stream"

func (a *answer) contentType(v []byte) {
	media, _, _ := bytes.Cut(v, []byte(";"))
	if fold(bytes.Trim(media, " \t"), octetStream) {
		a.otherType = ""
		return
	}
	a.otherType = string(cut(v))
}

func (h *head) connection(v []byte, keep *bool) {
	for word := range bytes.SplitSeq(v, []byte(",")) {
		word = bytes.Trim(word, " \t")
		switch {
		case fold(word, "close"):
			h.close = true
		case fold(word, "keep-alive"):
			*keep = true
		}
	}
}

func (h *head) contentLength(v []byte) error {
	n := int64(0)
	if len(v) == 0 || len(v) > 15 {
		return fmt.Errorf("bad Content-Length %q", cut(v))
	}
	for _, ch := range v {
		if ch < '0' || ch > '9' {
			return fmt.Errorf("bad Content-Length %q", cut(v))
		}
		n = n*10 + int64(ch-'0')
	}
	if h.length >= 0 && h.length != n {
		return errors.New("two Content-Length headers that differ")
	}
	h.length = n
	return nil
}

func (h *head) transferEncoding(v []byte) error {
	if !fold(v, "chunked") || h.chunked {
		return fmt.Errorf("unknown Transfer-Encoding %q", cut(v))
	}
	h.chunked = true
	return nil
}

func (a *answer) addEncoding(v []byte) {
	for word := range bytes.SplitSeq(v, []byte(",")) {
		word = bytes.Trim(word, " \t")
		if len(word) > 0 && !fold(word, "identity") {
			a.encodings = append(a.encodings, strings.ToLower(string(cut(word))))
		}
	}
}
