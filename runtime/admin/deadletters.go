package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stateway/stateway/protocol/wire"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/node"
)

const (
	maxRedrive      = 1000    // dead letters of one request
	deadLettersRead = 100_000 // looked at by one request; the next goes on there
	deadLetterPage  = 256     // read at once
)

// DeadLetter is a message that was given up and can be put back.
type DeadLetter struct {
	ID      string `json:"id"`
	Address string `json:"address,omitempty"`
	Caller  string `json:"caller,omitempty"` // absent for a message from an ingress
	Type    string `json:"type,omitempty"`   // typename of the message
	// Traceparent is the W3C trace context of the message; absent if it had none.
	Traceparent string `json:"traceparent,omitempty"`
	// Attempts are the tries of the message alone.
	Attempts     int        `json:"attempts"`
	FirstFailure *time.Time `json:"firstFailure,omitempty"`
	LastFailure  *time.Time `json:"lastFailure,omitempty"`
	KeptUntil    *time.Time `json:"keptUntil"`
	Reasons      []string   `json:"reasons,omitempty"` // the last ones, oldest first
	// Problem says why it cannot be put back: its row does not tell the message.
	Problem string `json:"problem,omitempty"`
	// Size and what follows are told by show only: the value's bytes; the value itself as JSON where it is readable, otherwise base64.
	Size   int             `json:"size,omitempty"`
	Value  json.RawMessage `json:"value,omitempty"`
	Base64 []byte          `json:"base64,omitempty"`
	// Argument is the whole TypedValue, as the dead-letter egress got it.
	Argument []byte `json:"argument,omitempty"`
}

// DeadLetters is what GET /api/v1/deadletters answers.
type DeadLetters struct {
	DeadLetters []DeadLetter `json:"deadLetters"`
	// Next is where to go on, if the limit cut the list or the node looked at many; there may be none behind it.
	Next string `json:"next,omitempty"`
}

// Redriven is what became of one dead letter that was to be put back.
type Redriven struct {
	ID    string `json:"id"`
	Error string `json:"error,omitempty"` // why it stays
}

// redriven is what POST /api/v1/deadletters/redrive answers.
type redriven struct {
	DeadLetters []Redriven `json:"deadLetters"`
}

// redrive is the body of that POST.
type redrive struct {
	IDs []string `json:"ids"`
}

// DeadLetterFilter chooses dead letters; its zero value chooses all.
type DeadLetterFilter struct {
	Type    string    // namespace/name, or namespace/* for all of a namespace
	Address string    // namespace/name/id
	Error   string    // part of a reason
	Since   time.Time // of the last failure; inclusive
	Until   time.Time // of the last failure; exclusive
}

// Empty reports whether the filter chooses all.
func (f *DeadLetterFilter) Empty() bool { return *f == DeadLetterFilter{} }

func (f *DeadLetterFilter) query() url.Values {
	q := url.Values{}
	for k, v := range map[string]string{"type": f.Type, "address": f.Address, "error": f.Error} {
		if v != "" {
			q.Set(k, v)
		}
	}
	for k, v := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !v.IsZero() {
			q.Set(k, v.Format(time.RFC3339Nano))
		}
	}
	return q
}

func parseDeadLetterFilter(q url.Values) (f DeadLetterFilter, err error) {
	f = DeadLetterFilter{Type: q.Get("type"), Address: q.Get("address"), Error: q.Get("error")}
	for k, to := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		text := q.Get(k)
		if text == "" {
			continue
		}
		if *to, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return f, bad("%s %q: want a time such as 2026-11-21T12:00:00Z", k, text)
		}
	}
	return f, nil
}

func (f *DeadLetterFilter) matches(l *core.KeptLetter) bool {
	if f.Type != "" && f.Type != string(l.Target.Type) {
		space, all := strings.CutSuffix(f.Type, "/*")
		if !all || space != l.Target.Type.Namespace() {
			return false
		}
	}
	if f.Address != "" && f.Address != l.Target.String() {
		return false
	}
	last := time.UnixMilli(int64(l.Last))
	if last.Before(f.Since) || !f.Until.IsZero() && !last.Before(f.Until) {
		return false
	}
	for _, r := range l.Reasons {
		if strings.Contains(r, f.Error) {
			return true
		}
	}
	return f.Error == ""
}

func (a *api) deadLetters(r *http.Request) (any, error) {
	q := r.URL.Query()
	limit, err := limitOf(q)
	if err != nil {
		return nil, err
	}
	filter, err := parseDeadLetterFilter(q)
	if err != nil {
		return nil, err
	}
	var after node.DeadLetterID
	if text := q.Get("after"); text != "" {
		if after, err = node.ParseDeadLetterID(text); err != nil {
			return nil, bad("after: %s", err)
		}
	}
	list := DeadLetters{DeadLetters: []DeadLetter{}}
	for looked := 0; looked < deadLettersRead; {
		found, next, more, err := a.Node.DeadLetters(r.Context(), after, deadLetterPage)
		if err != nil {
			return nil, err
		}
		for i := range found {
			if !filter.matches(&found[i].Letter) {
				continue
			}
			list.DeadLetters = append(list.DeadLetters, deadLetterOf(&found[i]))
			if len(list.DeadLetters) == limit {
				if more || i+1 < len(found) {
					list.Next = found[i].ID.String()
				}
				return list, nil
			}
		}
		if !more {
			return list, nil
		}
		looked += len(found)
		after = next
	}
	list.Next = after.String()
	return list, nil
}

func deadLetterOf(d *node.DeadLetter) DeadLetter {
	l := &d.Letter
	out := DeadLetter{
		ID: d.ID.String(), Type: l.Typename, Attempts: l.Attempts, FirstFailure: timeOf(l.First), LastFailure: timeOf(l.Last),
		KeptUntil: timeOf(d.ID.Key.Until), Reasons: l.Reasons, Problem: d.Problem, Traceparent: l.Trace.String(),
	}
	if !l.Target.IsZero() {
		out.Address = l.Target.String()
	}
	if !l.Caller.IsZero() {
		out.Caller = l.Caller.String()
	}
	return out
}

func (a *api) deadLetter(r *http.Request) (any, error) {
	id, err := node.ParseDeadLetterID(r.URL.Query().Get("id"))
	if err != nil {
		return nil, bad("%s", err)
	}
	d, found, err := a.Node.DeadLetter(id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, &problem{http.StatusNotFound, fmt.Sprintf("there is no dead letter %s: it was put back, its time was over, or there were too many", id)}
	}
	out := deadLetterOf(&d)
	out.Argument = d.Letter.Arg
	if v, err := wire.ParseTypedValue(d.Letter.Arg); err == nil && d.Problem == "" {
		out.Size = len(v.Value)
		if out.Value = readable(v.Typename, v.Value); out.Value == nil {
			out.Base64 = v.Value
		}
	}
	return out, nil
}

func (a *api) redrive(r *http.Request) (any, error) {
	const want = `{"ids": ["3-1763738000000-42"]}`
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, &problem{http.StatusUnsupportedMediaType, "send " + want + " as application/json"}
	}
	var body redrive
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, err
		}
		return nil, bad("body: %s; want %s", err, want)
	}
	if len(body.IDs) == 0 || len(body.IDs) > maxRedrive {
		return nil, bad("the body names %d dead letters: want 1 to %d", len(body.IDs), maxRedrive)
	}
	ids := make([]node.DeadLetterID, len(body.IDs))
	for i, text := range body.IDs {
		var err error
		if ids[i], err = node.ParseDeadLetterID(text); err != nil {
			return nil, bad("%s", err)
		}
	}
	failed, err := a.Node.Redrive(r.Context(), ids)
	if err != nil {
		return nil, err
	}
	out := redriven{DeadLetters: make([]Redriven, len(ids))}
	for i, err := range failed {
		out.DeadLetters[i].ID = ids[i].String()
		if err != nil {
			out.DeadLetters[i].Error = err.Error()
		}
	}
	return out, nil
}

// limitOf reads how much a list may hold.
func limitOf(q url.Values) (int, error) {
	text := q.Get("limit")
	if text == "" {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit {
		return 0, bad("limit %q: want a number from 1 to %d", text, maxLimit)
	}
	return n, nil
}
