package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

const (
	maxAnswer     = 1 << 30 // bytes
	clientTimeout = 5 * time.Minute
)

// Client asks one node's admin server. Make it with NewClient.
type Client struct {
	base string // without slash at the end
	http *http.Client
}

// Error is a node's refusal.
type Error struct {
	Status int // HTTP status
	Text   string
}

// Error is the node's own sentence.
func (e *Error) Error() string { return e.Text }

// NewClient makes a client for the admin server at host:port, or at a URL such as https://proxy/node-1. It connects to nothing.
func NewClient(address string) (*Client, error) {
	base := address
	if !strings.Contains(address, "://") {
		if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
			return nil, fmt.Errorf("admin address %q: want host:port, such as 127.0.0.1:9911", address)
		}
		base = "http://" + address
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("admin address %q: want host:port or an http URL", address)
	}
	return &Client{base: strings.TrimSuffix(base, "/"), http: &http.Client{Timeout: clientTimeout}}, nil
}

// Status tells whether the node leads and serves.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	err := c.get(ctx, "status", nil, &s)
	return s, err
}

// Addresses lists failing and held Addresses, at most limit (1 to 10,000) of them; zero means 100.
func (c *Client) Addresses(ctx context.Context, limit int) (Addresses, error) {
	query := url.Values{}
	if limit != 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	var list Addresses
	err := c.get(ctx, "addresses", query, &list)
	return list, err
}

// Address tells what the node knows of one Address.
func (c *Client) Address(ctx context.Context, a core.Address) (Address, error) {
	var info Address
	err := c.get(ctx, "address", url.Values{"address": {a.String()}}, &info)
	return info, err
}

// Ingresses tells how the partitions of all ingresses are doing.
func (c *Client) Ingresses(ctx context.Context) (Ingresses, error) {
	var list Ingresses
	err := c.get(ctx, "ingresses", nil, &list)
	return list, err
}

// Resume lets a held or failing Address try its first message again at once, with all its tries.
func (c *Client) Resume(ctx context.Context, a core.Address) error {
	return c.post(ctx, "address/resume", target{Address: a.String()})
}

// Drop drops the first message of a held or failing Address, which then goes on with the next.
func (c *Client) Drop(ctx context.Context, a core.Address) error {
	return c.post(ctx, "address/drop", target{Address: a.String()})
}

// DeadLetters lists dead letters that the filter chooses, behind after (empty: from the first on), at most limit (1 to 10,000) of them. If
// Next is set, ask again from there.
func (c *Client) DeadLetters(ctx context.Context, f DeadLetterFilter, after string, limit int) (DeadLetters, error) {
	query := f.query()
	query.Set("limit", strconv.Itoa(limit))
	if after != "" {
		query.Set("after", after)
	}
	var list DeadLetters
	err := c.get(ctx, "deadletters", query, &list)
	return list, err
}

// DeadLetter reads one dead letter with its message. If there is none, the error is an *Error with status 404.
func (c *Client) DeadLetter(ctx context.Context, id string) (DeadLetter, error) {
	var d DeadLetter
	err := c.get(ctx, "deadletter", url.Values{"id": {id}}, &d)
	return d, err
}

// Redrive puts the messages of 1 to 1,000 dead letters back behind what waits at their Addresses. It tells for each what became of it.
func (c *Client) Redrive(ctx context.Context, ids []string) ([]Redriven, error) {
	var done redriven
	err := c.postFor(ctx, "deadletters/redrive", redrive{IDs: ids}, &done)
	if err == nil && len(done.DeadLetters) != len(ids) {
		err = fmt.Errorf("%s answers for %d dead letters, not %d", c.base, len(done.DeadLetters), len(ids))
	}
	return done.DeadLetters, err
}

// States reads all states of an Address.
func (c *Client) States(ctx context.Context, a core.Address) (State, error) {
	var s State
	err := c.get(ctx, "state", url.Values{"address": {a.String()}}, &s)
	return s, err
}

// StateNames is States without the values.
func (c *Client) StateNames(ctx context.Context, a core.Address) (State, error) {
	var s State
	err := c.get(ctx, "state", url.Values{"address": {a.String()}, "values": {"false"}}, &s)
	return s, err
}

// State reads one state of an Address. If it has no value, the error is an *Error with status 404.
func (c *Client) State(ctx context.Context, a core.Address, name string) (State, error) {
	var s State
	err := c.get(ctx, "state", url.Values{"address": {a.String()}, "name": {name}}, &s)
	return s, err
}

func (c *Client) get(ctx context.Context, path string, query url.Values, into any) error {
	at := c.base + apiPrefix + path
	if len(query) > 0 {
		at += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	return c.do(req, into)
}

func (c *Client) post(ctx context.Context, path string, body any) error {
	return c.postFor(ctx, path, body, &target{})
}

func (c *Client) postFor(ctx context.Context, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+apiPrefix+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	return c.do(req, into)
}

func (c *Client) do(req *http.Request, into any) error {
	resp, err := c.http.Do(req)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return fmt.Errorf("reach the admin server of the node at %s: %w; is it running, and does --admin name it?", c.base, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", c.base, err)
	}
	if len(body) > maxAnswer {
		return fmt.Errorf("the answer of %s has more than %d bytes", c.base, maxAnswer)
	}
	if resp.StatusCode != http.StatusOK {
		return refused(c.base, resp.StatusCode, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s does not answer like a stateway admin server: %w", c.base, err)
	}
	return nil
}

func refused(base string, status int, body []byte) error {
	var f failure
	if err := json.Unmarshal(body, &f); err != nil || f.Error == "" {
		return fmt.Errorf("%s does not answer like a stateway admin server: status %d", base, status)
	}
	return &Error{Status: status, Text: f.Error}
}
