package playground

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// topicOfPath reads a topic from /<topic>, percent-encoded; slashes in it may stand as they are.
func topicOfPath(escaped string) (string, bool) {
	topic, err := url.PathUnescape(strings.TrimPrefix(escaped, "/"))
	return topic, err == nil
}

// ServeHTTP takes one record of a topic with any method; HEAD looks without taking.
func (e *Egress) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	topic, ok := topicOfPath(r.URL.EscapedPath())
	if _, known := e.topics[topic]; !ok || !known {
		_ = answer(w, http.StatusMethodNotAllowed, nil, true)
		return
	}
	if r.Method == http.MethodHead {
		status := http.StatusNotFound
		if e.Len(topic) > 0 {
			status = http.StatusOK
		}
		_ = answer(w, status, nil, true)
		return
	}
	x, ok := e.take(topic)
	if !ok {
		_ = answer(w, http.StatusNotFound, nil, true)
		return
	}
	defer e.takers.Done()
	// Only before the answer does the context tell that the client is gone: after it, a client that has all it wants may
	// have closed the connection.
	if r.Context().Err() != nil {
		e.putBack(topic, x)
		return
	}
	if err := answer(w, http.StatusOK, x.body, x.text); err != nil {
		e.putBack(topic, x)
		return
	}
	e.finish(x, nil)
}

// take pops a record; the caller says takers.Done once it is finished or put back.
func (e *Egress) take(topic string) (entry, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return entry{}, false
	}
	x, ok := e.topics[topic].pop()
	if ok {
		e.takers.Add(1)
	}
	return x, ok
}

func (e *Egress) putBack(topic string, x entry) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.topics[topic].putBack(x)
}

// answer writes a whole answer and reports whether it has left.
func answer(w http.ResponseWriter, status int, body []byte, text bool) error {
	h := w.Header()
	h.Set("Status", strconv.Itoa(status))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Type", "application/octet-stream")
	if text {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("write a record: %w", err)
	}
	return http.NewResponseController(w).Flush()
}
