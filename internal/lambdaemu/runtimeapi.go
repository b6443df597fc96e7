package lambdaemu

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// api is the Runtime API and what there is of the Extensions API, of one environment.
func (p *process) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", p.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", p.response)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", p.failure)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", p.initError)
	mux.HandleFunc("POST /2020-01-01/extension/register", p.register)
	mux.HandleFunc("GET /2020-01-01/extension/event/next", p.event)
	return mux
}

// next hands out an invocation when there is one.
func (p *process) next(w http.ResponseWriter, req *http.Request) {
	p.mu.Lock()
	first := !p.ready
	p.ready = true
	p.freezeLocked()
	p.mu.Unlock()
	if first {
		p.f.ready(time.Since(p.began))
	}
	select {
	case inv := <-p.work:
		p.hand(w, inv)
	case <-req.Context().Done():
	case <-p.ending:
	}
}

func (p *process) hand(w http.ResponseWriter, inv *invocation) {
	p.mu.Lock()
	p.current = inv
	p.mu.Unlock()
	p.f.began(inv)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(inv.payload)))
	h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.began.Add(p.f.Timeout).UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", inv.arn)
	h.Set("Lambda-Runtime-Trace-Id", fmt.Sprintf("Root=1-%08x-%024x;Sampled=0", inv.began.Unix(), inv.began.UnixNano()))
	_, _ = w.Write(inv.payload)
}

// taken returns the invocation that a bootstrap speaks of, nil if it is none that runs.
func (p *process) taken(w http.ResponseWriter, id string) *invocation {
	p.mu.Lock()
	inv := p.current
	if inv != nil && inv.id == id {
		p.current = nil
	}
	p.mu.Unlock()
	if inv == nil || inv.id != id {
		status(w, http.StatusBadRequest, `{"errorType":"InvalidRequestID","errorMessage":"Invalid request ID"}`)
		return nil
	}
	return inv
}

func (p *process) response(w http.ResponseWriter, req *http.Request) {
	body, size, err := readUpTo(req.Body, int(min(max(req.ContentLength, 0), MaxPayload)))
	inv := p.taken(w, req.PathValue("id"))
	switch {
	case inv == nil:
	case err != nil || req.Trailer.Get("Lambda-Runtime-Function-Error-Type") != "":
		p.f.answered(inv, functionError("Runtime.TruncatedResponse", "the response was not sent to its end"))
	case size > MaxPayload:
		n, _ := io.Copy(io.Discard, req.Body)
		status(w, http.StatusRequestEntityTooLarge, `{"errorType":"RequestEntityTooLarge","errorMessage":"Exceeded maximum allowed payload size (6291456 bytes)."}`)
		p.f.answered(inv, answerTooLarge(int(size+n)))
	default:
		status(w, http.StatusAccepted, `{"status":"OK"}`)
		p.f.answered(inv, answer{payload: body})
	}
}

func (p *process) failure(w http.ResponseWriter, req *http.Request) {
	body, _, _ := readUpTo(req.Body, int(min(max(req.ContentLength, 0), MaxPayload)))
	if inv := p.taken(w, req.PathValue("id")); inv != nil {
		status(w, http.StatusAccepted, `{"status":"OK"}`)
		p.f.answered(inv, answer{payload: body, failed: true})
	}
}

// initError takes a bootstrap's word that it cannot start; it ends then.
func (p *process) initError(w http.ResponseWriter, req *http.Request) {
	body, _, _ := readUpTo(req.Body, int(min(max(req.ContentLength, 0), MaxPayload)))
	p.mu.Lock()
	p.complain = &answer{payload: body, failed: true}
	p.mu.Unlock()
	status(w, http.StatusAccepted, `{"status":"OK"}`)
}

// register takes an extension, for which SIGTERM is sent at the end.
func (p *process) register(w http.ResponseWriter, req *http.Request) {
	p.mu.Lock()
	p.grace = true
	p.mu.Unlock()
	w.Header().Set("Lambda-Extension-Identifier", requestID())
	status(w, http.StatusOK, `{"functionName":"`+p.f.Name+`","functionVersion":"$LATEST","handler":"`+p.f.HandlerName+`"}`)
}

// event never comes but at the end, and then SIGTERM does.
func (p *process) event(w http.ResponseWriter, req *http.Request) {
	select {
	case <-p.ending:
		status(w, http.StatusOK, `{"eventType":"SHUTDOWN","shutdownReason":"spindown"}`)
	case <-req.Context().Done():
	}
}

func status(w http.ResponseWriter, code int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, body)
}
