package playground

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
)

// problem is why a request is not answered 200.
type problem struct {
	status     int
	text       string
	retryAfter bool
}

func bad(status int, format string, args ...any) *problem {
	return &problem{status: status, text: fmt.Sprintf(format, args...)}
}

const (
	vendorPrefix = "application/vnd."
	// maxID bounds an id, and maxDedupe ce-source and ce-id together, in bytes: they are part of keys.
	maxID     = 8 << 10
	maxDedupe = 1 << 10
)

// parsePath reads /<namespace>/<name>/<id>, each part percent-encoded, so that %2F is a slash in it.
func parsePath(escaped string) (core.Address, *problem) {
	parts := strings.Split(strings.TrimPrefix(escaped, "/"), "/")
	if len(parts) != 3 {
		return core.Address{}, bad(http.StatusBadRequest,
			"path %s: want /<function namespace>/<function name>/<id>, with %%2F for a slash in a part", clip(escaped))
	}
	for i, part := range parts {
		text, err := url.PathUnescape(part)
		if err != nil || !utf8.ValidString(text) {
			return core.Address{}, bad(http.StatusBadRequest, "path %s: %s is not percent-encoded UTF-8", clip(escaped), clip(part))
		}
		if text == "" {
			return core.Address{}, bad(http.StatusBadRequest,
				"path %s: the %s is empty", clip(escaped), [...]string{"function namespace", "function name", "id"}[i])
		}
		parts[i] = text
	}
	if len(parts[2]) > maxID {
		return core.Address{}, bad(http.StatusBadRequest, "id of %d bytes: at most %d are possible", len(parts[2]), maxID)
	}
	return core.Address{Type: core.FunctionType(parts[0] + "/" + parts[1]), ID: parts[2]}, nil
}

// parseType reads the typename of a body from its content type; empty means text.
func parseType(contentType string) (string, *problem) {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.TrimSpace(media)
	if len(media) < len(vendorPrefix) || !strings.EqualFold(media[:len(vendorPrefix)], vendorPrefix) {
		return "", nil
	}
	typename := media[len(vendorPrefix):]
	slash := strings.LastIndexByte(typename, '/')
	if slash < 0 {
		return "", nil // such as application/vnd.ms-excel: a media type of others
	}
	odd := func(r rune) bool { return r == utf8.RuneError || unicode.IsSpace(r) || unicode.IsControl(r) }
	if slash == 0 || slash == len(typename)-1 || strings.ContainsFunc(typename, odd) {
		return "", bad(http.StatusUnsupportedMediaType,
			"content type %s: want %s<namespace>/<type>, or text", clip(contentType), vendorPrefix)
	}
	return typename, nil
}

// parseDedupe makes the dedupe id of ce-source and ce-id; empty if there are none.
func parseDedupe(h http.Header) (string, *problem) {
	source, id := h.Values("Ce-Source"), h.Values("Ce-Id")
	if len(source) == 0 && len(id) == 0 {
		return "", nil
	}
	if len(source) != 1 || len(id) != 1 || source[0] == "" || id[0] == "" {
		return "", bad(http.StatusBadRequest, "ce-source and ce-id: each must be given once, or neither")
	}
	if n := len(source[0]) + len(id[0]); n > maxDedupe {
		return "", bad(http.StatusBadRequest, "ce-source and ce-id have %d bytes: at most %d are possible", n, maxDedupe)
	}
	// The length tells where the source ends, so that no two pairs give the same text.
	return "ce:" + strconv.Itoa(len(source[0])) + ":" + source[0] + id[0], nil
}

// parseHead reads all of a request but its body, as the message to be.
func (g *Ingress) parseHead(r *http.Request) (msg *core.Message, typename string, p *problem) {
	target, p := parsePath(r.URL.EscapedPath())
	if p != nil {
		return nil, "", p
	}
	if !g.opts.Known(target.Type) {
		return nil, "", bad(http.StatusNotFound, "function type %s is served by no endpoint", clip(string(target.Type)))
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return nil, "", bad(http.StatusUnsupportedMediaType, "content encoding %s: send the body as it is", clip(enc))
	}
	if typename, p = parseType(r.Header.Get("Content-Type")); p != nil {
		return nil, "", p
	}
	dedupe, p := parseDedupe(r.Header)
	if p != nil {
		return nil, "", p
	}
	if r.ContentLength > g.opts.MaxBody {
		return nil, "", g.tooLarge()
	}
	return &core.Message{Target: target, Dedupe: dedupe, Trace: traceOf(r.Header)}, typename, nil
}

// traceOf reads the trace context: the last hop's, or else the one that the event itself carries.
func traceOf(h http.Header) *trace.Context {
	if tr := trace.Of(h["Traceparent"]); tr != nil {
		return tr
	}
	return trace.Of(h["Ce-Traceparent"])
}

// readBody reads the body and encodes it as the message's argument.
func (g *Ingress) readBody(w http.ResponseWriter, r *http.Request, typename string) (core.Value, *problem) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, g.opts.MaxBody))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, g.tooLarge()
	case err != nil:
		return nil, bad(http.StatusBadRequest, "reading the body: %v", err)
	case typename != "":
		return ingress.EncodeValue(typename, body), nil
	case !utf8.Valid(body):
		return nil, bad(http.StatusUnsupportedMediaType,
			"the body is not UTF-8 text: name its type with Content-Type: %s<namespace>/<type>", vendorPrefix)
	}
	return ingress.EncodeValue(ingress.TypeString, ingress.AppendText(nil, string(body))), nil
}

func (g *Ingress) tooLarge() *problem {
	return bad(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", g.opts.MaxBody)
}

// clip quotes what a client sent, shortened.
func clip(s string) string {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return strconv.Quote(s)
}
