package checkpoint

import (
	"context"
	"io"
	"sync/atomic"
)

// Request is a kind of request to a bucket: what a store bills and an operator counts.
type Request string

// The kinds of requests. A directory knows put, get, range, list and delete.
const (
	RequestPut       Request = "put"       // an object, in one piece
	RequestPart      Request = "part"      // one part of an object
	RequestMultipart Request = "multipart" // beginning, completing and giving up an object in parts
	RequestGet       Request = "get"       // a whole object
	RequestRange     Request = "range"     // a part of an object
	RequestHead      Request = "head"      // an object without its body
	RequestList      Request = "list"      // up to 1,000 keys
	RequestDelete    Request = "delete"    // an object, or up to 1,000
)

// RequestKinds are all of them.
var RequestKinds = []Request{
	RequestPut, RequestPart, RequestMultipart, RequestGet, RequestRange, RequestHead, RequestList, RequestDelete,
}

// RetryCause is why a bucket sent a request again.
type RetryCause string

// The causes. A directory knows none.
const (
	RetryThrottle    RetryCause = "throttle"    // the store asks to slow down
	RetryServer      RetryCause = "server"      // an error of the store
	RetryConnection  RetryCause = "connection"  // no connection, or it broke
	RetryTimeout     RetryCause = "timeout"     // an attempt took too long
	RetryBody        RetryCause = "body"        // a body ended early, or its checksum was wrong
	RetryClock       RetryCause = "clock"       // our clock is wrong; the next attempt uses the store's
	RetryCredentials RetryCause = "credentials" // expired, or could not be had
	RetryConflict    RetryCause = "conflict"    // another write of the same key at the same time
)

// RetryCauses are all of them.
var RetryCauses = []RetryCause{
	RetryThrottle, RetryServer, RetryConnection, RetryTimeout, RetryBody, RetryClock, RetryCredentials, RetryConflict,
}

// Requester is a bucket that counts its requests itself, with those that a single call makes or tries again. Both functions return a
// map of their own.
type Requester interface {
	Requests() map[Request]uint64
	// Retries counts the requests that were sent again, by cause.
	Retries() map[RetryCause]uint64
}

// Counted is a bucket and how many requests it was sent. Safe for concurrent use.
type Counted struct {
	Bucket
	calls map[Request]*atomic.Uint64 // constant keys
}

// Count counts the requests to b: by b itself if it is a Requester, otherwise one for each call.
func Count(b Bucket) *Counted {
	if counted, ok := b.(*Counted); ok {
		return counted
	}
	c := &Counted{Bucket: b, calls: make(map[Request]*atomic.Uint64)}
	for _, kind := range RequestKinds {
		c.calls[kind] = new(atomic.Uint64)
	}
	return c
}

// Requests is how many requests were sent, by kind; kinds that this bucket does not know count zero.
func (c *Counted) Requests() map[Request]uint64 {
	if r, ok := c.Bucket.(Requester); ok {
		return r.Requests()
	}
	sent := make(map[Request]uint64, len(c.calls))
	for kind, n := range c.calls {
		sent[kind] = n.Load()
	}
	return sent
}

// Retries is how many requests were sent again, by cause; all zero if the bucket does not retry.
func (c *Counted) Retries() map[RetryCause]uint64 {
	if r, ok := c.Bucket.(Requester); ok {
		return r.Retries()
	}
	counted := make(map[RetryCause]uint64, len(RetryCauses))
	for _, cause := range RetryCauses {
		counted[cause] = 0
	}
	return counted
}

// Create implements Bucket.
func (c *Counted) Create(ctx context.Context, key string, body []byte) error {
	c.calls[RequestPut].Add(1)
	return c.Bucket.Create(ctx, key, body)
}

// CreateFrom implements Bucket.
func (c *Counted) CreateFrom(ctx context.Context, key string, body io.ReaderAt, size int64) error {
	c.calls[RequestPut].Add(1)
	return c.Bucket.CreateFrom(ctx, key, body, size)
}

// Read implements Bucket.
func (c *Counted) Read(ctx context.Context, key string) ([]byte, error) {
	c.calls[RequestGet].Add(1)
	return c.Bucket.Read(ctx, key)
}

// ReadRange implements Bucket.
func (c *Counted) ReadRange(ctx context.Context, key string, off, n int64) ([]byte, error) {
	c.calls[RequestRange].Add(1)
	return c.Bucket.ReadRange(ctx, key, off, n)
}

// ReadTo implements Bucket.
func (c *Counted) ReadTo(ctx context.Context, key string, off, n int64, w io.Writer) error {
	c.calls[RequestRange].Add(1)
	return c.Bucket.ReadTo(ctx, key, off, n, w)
}

// List implements Bucket.
func (c *Counted) List(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	c.calls[RequestList].Add(1)
	return c.Bucket.List(ctx, prefix, after, limit)
}

// Delete implements Bucket.
func (c *Counted) Delete(ctx context.Context, key string) error {
	c.calls[RequestDelete].Add(1)
	return c.Bucket.Delete(ctx, key)
}

// DeleteFolder implements Bucket.
func (c *Counted) DeleteFolder(ctx context.Context, folder string) error {
	c.calls[RequestDelete].Add(1)
	return c.Bucket.DeleteFolder(ctx, folder)
}
