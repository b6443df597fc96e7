package harness

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Message is one record for the playground ingress.
type Message struct {
	Function string // ns/name
	ID       string
	Type     string // typename of the value, ns/name; it goes into the content type
	Body     []byte
	// Source and EventID name the record, so that a repeat is dropped; sent as ce-source and ce-id when not empty.
	Source, EventID string
}

// Ingress is a playground ingress.
type Ingress struct {
	URL string // without slash at the end
}

// StatusError is an answer other than 2xx.
type StatusError struct {
	Code int
	Body string
}

// Error names status and body.
func (e *StatusError) Error() string { return fmt.Sprintf("status %d: %s", e.Code, e.Body) }

// Put sends a record once. A 2xx answer means that a committed checkpoint holds it.
func (i Ingress) Put(ctx context.Context, m Message) error {
	target := i.URL + "/" + m.Function + "/" + url.PathEscape(m.ID)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, target, bytes.NewReader(m.Body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/vnd."+m.Type)
	if m.EventID != "" {
		req.Header.Set("ce-source", m.Source)
		req.Header.Set("ce-id", m.EventID)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return &StatusError{Code: resp.StatusCode, Body: strings.TrimSpace(string(body))}
	}
	return nil
}

// PutUntilTaken sends a record until the answer is 2xx or ctx ends. It tries again after a lost connection, a 5xx and a 429;
// other answers are returned. Unless the record is named, a repeat may count twice.
func (i Ingress) PutUntilTaken(ctx context.Context, m Message) error {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		err := i.Put(ctx, m)
		if err == nil {
			return nil
		}
		if status, ok := err.(*StatusError); ok && status.Code < 500 && status.Code != http.StatusTooManyRequests {
			return fmt.Errorf("put %s/%s: %w", m.Function, m.ID, err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("put %s/%s: %w, last answer: %w", m.Function, m.ID, ctx.Err(), err)
		}
	}
}

// Egress is a playground egress.
type Egress struct {
	URL string // without slash at the end
}

// Take takes one record from a topic; ok is false when the topic is empty.
func (e Egress) Take(ctx context.Context, topic string) (payload string, ok bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.URL+"/"+url.PathEscape(topic), nil)
	if err != nil {
		return "", false, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", false, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", false, err
	}
	switch {
	case resp.StatusCode == http.StatusNotFound || resp.Header.Get("Status") == "404":
		return "", false, nil
	case resp.StatusCode/100 != 2:
		return "", false, &StatusError{Code: resp.StatusCode, Body: string(body)}
	}
	return string(body), true, nil
}
