package stateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"

	"github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/protocol/trace"
)

const contentType = "application/octet-stream"

// ServeHTTP answers a POST of an encoded ToFunction. It answers 405 to other methods, 415 to a content type other than
// none or application/octet-stream, 400 to an empty or unreadable body, 413 to one that is too large, and 500 with the
// error's text when Invoke fails, which makes the runtime try again. Every path is served alike.
//
// A POST of a group, by its content type, is answered by a group: each item by its function's answer or by its own
// failure, with status 200; 400 to a group that cannot be read. Answers announce this with the header Stateway-Group.
func (a *App) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "invalid request method: use POST", http.StatusMethodNotAllowed)
		return
	}
	if enc, ok := group.OfContentType(req.Header.Get("Content-Type")); ok {
		a.serveGroup(w, req, enc)
		return
	}
	if t := req.Header.Get("Content-Type"); t != "" && t != contentType {
		http.Error(w, "invalid content type: use "+contentType, http.StatusUnsupportedMediaType)
		return
	}
	body, err := a.readBody(w, req)
	if err != nil {
		http.Error(w, err.Error(), bodyStatus(err))
		return
	}
	answer, err := a.invoke(req.Context(), body, trace.Of(req.Header["Traceparent"]))
	if err != nil {
		a.logFailure(req.Context(), err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header()[group.Header] = announcement
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(answer) // the peer is gone: it asks again
}

// announcement tells the runtime that groups are understood. Nobody changes it.
var announcement = []string{group.Announce(group.Encodings(0).With(group.JSON).With(group.Protobuf))}

// answerRoom is the memory of an answer to a group.
type answerRoom struct {
	encoder group.Encoder
	buf     []byte
}

var answerRooms = sync.Pool{New: func() any { return new(answerRoom) }}

func (a *App) serveGroup(w http.ResponseWriter, req *http.Request, enc group.Encoding) {
	body, err := a.readBody(w, req)
	if err != nil && !errors.Is(err, errEmptyBody) {
		http.Error(w, err.Error(), bodyStatus(err))
		return
	}
	calls, err := group.ParseCalls(enc, body, nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	g := a.runGroup(req.Context(), calls)
	room := answerRooms.Get().(*answerRoom)
	room.buf = g.encode(&room.encoder, enc, room.buf[:0], 0, 0)
	w.Header()[group.Header] = announcement
	w.Header().Set("Content-Type", enc.ContentType())
	_, _ = w.Write(room.buf) // the peer is gone: it asks again
	if cap(room.buf) <= maxKeptArena {
		answerRooms.Put(room)
	}
}

var errEmptyBody = errors.New("empty request body")

// maxTrustedLength is up to which size a Content-Length alone makes memory be set aside, in bytes.
const maxTrustedLength = 1 << 20

func (a *App) readBody(w http.ResponseWriter, req *http.Request) ([]byte, error) {
	if req.Body == nil || req.ContentLength == 0 {
		return nil, errEmptyBody
	}
	if req.ContentLength > a.maxRequest {
		return nil, &http.MaxBytesError{Limit: a.maxRequest}
	}
	limited := http.MaxBytesReader(w, req.Body, a.maxRequest)
	if n := req.ContentLength; 0 < n && n <= maxTrustedLength {
		body := make([]byte, n)
		_, err := io.ReadFull(limited, body)
		return body, err
	}
	body, err := io.ReadAll(limited)
	if err == nil && len(body) == 0 {
		return nil, errEmptyBody
	}
	return body, err
}

func bodyStatus(err error) int {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

func (a *App) logFailure(ctx context.Context, err error) {
	attrs := []slog.Attr{slog.Any("error", err)}
	var p *PanicError
	if errors.As(err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	a.log.LogAttrs(ctx, slog.LevelError, "invocation failed", attrs...)
}
