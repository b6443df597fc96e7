package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/node"
)

const (
	apiPrefix    = "/api/v1/"
	defaultLimit = 100
	maxLimit     = 10_000
)

// api answers questions about a node.
type api struct{ Config }

// problem is an error with the status that tells it.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

func bad(format string, args ...any) error {
	return &problem{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// answer is one operation: what it returns is sent as JSON.
type answer func(*http.Request) (any, error)

// routes registers the JSON API: per path, what each method does.
func (a *api) routes(mux *http.ServeMux) {
	paths := map[string]map[string]answer{
		"status":         {http.MethodGet: a.status},
		"addresses":      {http.MethodGet: a.addresses},
		"address":        {http.MethodGet: a.address},
		"address/resume": {http.MethodPost: a.change(a.Node.Resume)},
		"address/drop":   {http.MethodPost: a.change(a.Node.Drop)},
		"state":          {http.MethodGet: a.state},
		"ingresses":      {http.MethodGet: a.ingresses},
		"deadletters":    {http.MethodGet: a.deadLetters},
		"deadletter":     {http.MethodGet: a.deadLetter},

		"deadletters/redrive": {http.MethodPost: a.redrive},
	}
	for path, methods := range paths {
		mux.HandleFunc(apiPrefix+path, func(w http.ResponseWriter, r *http.Request) { serveJSON(w, r, methods) })
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		sendError(w, &problem{http.StatusNotFound, "there is no " + r.URL.Path + "; the API lies below " + apiPrefix})
	})
}

func serveJSON(w http.ResponseWriter, r *http.Request, methods map[string]answer) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	do, ok := methods[method]
	if !ok {
		allowed := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
		w.Header().Set("Allow", allowed)
		sendError(w, &problem{http.StatusMethodNotAllowed, "use " + allowed})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	got, err := do(r.WithContext(ctx))
	if err != nil {
		sendError(w, err)
		return
	}
	send(w, http.StatusOK, got)
}

func send(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // a reader who left needs no answer
}

func sendError(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	var p *problem
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		status = p.status
	case errors.As(err, &large):
		status, err = http.StatusRequestEntityTooLarge, fmt.Errorf("the body is larger than %d bytes", large.Limit)
	case errors.Is(err, node.ErrNotLeading):
		status = http.StatusServiceUnavailable
	case errors.Is(err, context.DeadlineExceeded):
		status, err = http.StatusGatewayTimeout, fmt.Errorf("the node did not answer within %s: ask again, or look at its log", requestTimeout)
	}
	send(w, status, failure{Error: err.Error()})
}

func (a *api) addresses(r *http.Request) (any, error) {
	limit, err := limitOf(r.URL.Query())
	if err != nil {
		return nil, err
	}
	found, err := a.Node.Addresses(r.Context(), limit+1)
	if err != nil {
		return nil, err
	}
	list := Addresses{Addresses: make([]Address, 0, min(len(found), limit)), More: len(found) > limit}
	for _, info := range found[:min(len(found), limit)] {
		list.Addresses = append(list.Addresses, addressOf(info))
	}
	return list, nil
}

// asked is the Address that the query names.
func asked(r *http.Request) (core.Address, error) {
	addr, err := ParseAddress(r.URL.Query().Get("address"))
	if err != nil {
		return addr, bad("%s", err)
	}
	return addr, nil
}

func (a *api) address(r *http.Request) (any, error) {
	addr, err := asked(r)
	if err != nil {
		return nil, err
	}
	info, err := a.Node.Address(r.Context(), addr)
	if err != nil {
		return nil, err
	}
	return addressOf(info), nil
}

// change is a POST that does something with the Address that its body names. JSON is required: a form on a web page cannot send it.
func (a *api) change(do func(context.Context, core.Address) error) answer {
	return func(r *http.Request) (any, error) {
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			return nil, &problem{http.StatusUnsupportedMediaType, `send {"address": "namespace/name/id"} as application/json`}
		}
		var t target
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&t); err != nil {
			return nil, bodyError(err)
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return nil, bad("the body holds more than one JSON object")
		}
		addr, err := ParseAddress(t.Address)
		if err != nil {
			return nil, bad("%s", err)
		}
		if err := do(r.Context(), addr); err != nil {
			return nil, refusal(err)
		}
		return target{Address: addr.String()}, nil
	}
}

func bodyError(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return bad(`body: %s; want {"address": "namespace/name/id"}`, err)
}

// refusal tells a node's no, with which the Address stays as it is, from what kept the node from answering.
func refusal(err error) error {
	if errors.Is(err, node.ErrNotLeading) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return err
	}
	return &problem{http.StatusConflict, err.Error()}
}

// state tells one state (name), all, or with values=false only which there are.
func (a *api) state(r *http.Request) (any, error) {
	addr, err := asked(r)
	if err != nil {
		return nil, err
	}
	query := r.URL.Query()
	values := query.Get("values")
	if values != "" && values != "true" && values != "false" {
		return nil, bad("values %q: want true or false", values)
	}
	stored, n, err := a.Node.State(addr)
	if err != nil {
		return nil, err
	}
	found := State{Address: addr.String(), Checkpoint: n, States: []StateValue{}}
	for _, s := range stored {
		if s.Value == nil || query.Has("name") && s.Name != query.Get("name") {
			continue
		}
		v, err := describeState(s, values != "false")
		if err != nil {
			return nil, err
		}
		found.States = append(found.States, v)
	}
	if query.Has("name") && len(found.States) == 0 {
		return nil, &problem{http.StatusNotFound, fmt.Sprintf("%s has no value of state %q%s", addr, query.Get("name"), asOf(n))}
	}
	return found, nil
}

// asOf ends a sentence about what an Address does not have.
func asOf(n core.CheckpointID) string {
	if n == 0 {
		return ": its shard holds no checkpoint with rows yet"
	}
	return fmt.Sprintf(" in checkpoint %d", n)
}
