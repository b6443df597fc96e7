package kinesis

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/stateway/stateway/internal/envelope"
	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
)

// Limits of what becomes part of a key in a shard's store, in bytes.
const (
	maxKey    = 8 << 10
	maxDedupe = 1 << 10 // a longer id is replaced by its SHA-256
)

// router turns the records of one stream into messages. It keeps nothing and may be shared.
type router struct {
	conf    Stream
	pointer pointer
	prefix  []byte
}

func newRouter(s Stream) (*router, error) {
	r := &router{conf: s, prefix: []byte(s.KeyPrefix)}
	var err error
	if s.KeyPointer != "" {
		r.pointer, err = parsePointer(s.KeyPointer)
	}
	return r, err
}

// appendMessages makes the messages of a record and appends them to out. An error says what is wrong with the record.
func (r *router) appendMessages(partitionKey string, data []byte, m *messages, out []*core.Message) ([]*core.Message, error) {
	rec, err := r.open(data)
	if err != nil {
		return out, err
	}
	if rec.Key, err = r.key(partitionKey, rec.Value); err != nil {
		return out, err
	}
	if r.conf.Router != nil {
		return r.conf.Router(rec, out)
	}
	arg := m.argument(rec.Typename, rec.Value)
	for _, t := range r.conf.Targets {
		msg := m.message()
		msg.Target, msg.Arg, msg.Dedupe, msg.Trace = core.Address{Type: t, ID: rec.Key}, arg, rec.Dedupe, rec.Trace
		out = append(out, msg)
	}
	return out, nil
}

// open takes the envelope off.
func (r *router) open(data []byte) (ingress.Record, error) {
	rec := ingress.Record{Typename: r.conf.ValueType, Value: data}
	if r.conf.Format == Stateway {
		e, err := envelope.DecodeStateway(data)
		if err != nil {
			return rec, err
		}
		rec.Value = e.Payload
		if rec.Typename == "" {
			rec.Typename = e.Typename
		}
		if rec.Typename == "" {
			return rec, errors.New("neither the envelope nor the stream names a type: set valueType")
		}
		if r.conf.Dedupe == DedupeStateway {
			rec.Dedupe = shorten("sw:" + e.ID)
		}
		return rec, nil
	}
	if r.conf.Format != CloudEvents && r.conf.Dedupe != DedupeCloudEvents {
		return rec, nil
	}
	e, err := envelope.DecodeCloudEvent(data)
	if err != nil {
		return rec, err
	}
	rec.Trace = trace.Parse(e.Traceparent)
	if r.conf.Format == CloudEvents {
		rec.Value = e.Payload
	}
	if r.conf.Dedupe == DedupeCloudEvents {
		// The length tells where the source ends, so that no two pairs give the same text.
		rec.Dedupe = shorten("ce:" + strconv.Itoa(len(e.Source)) + ":" + e.Source + e.ID)
	}
	return rec, nil
}

// shorten keeps an id that is part of a key within bounds.
func shorten(id string) string {
	if len(id) <= maxDedupe {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return id[:3] + "sha256:" + hex.EncodeToString(sum[:])
}

// key is the id of the record's targets. What is not UTF-8 in it becomes U+FFFD.
func (r *router) key(partitionKey string, value []byte) (string, error) {
	key := partitionKey
	switch {
	case r.pointer != nil:
		var err error
		if key, err = r.pointer.find(value); err != nil {
			return "", err
		}
	case len(r.prefix) > 0:
		head, _, ok := bytes.Cut(value[:min(len(value), maxKey+len(r.prefix))], r.prefix)
		if !ok {
			return "", fmt.Errorf("the value does not begin with a key that ends with %q", r.conf.KeyPrefix)
		}
		key = string(head)
	}
	switch {
	case key == "":
		return "", errors.New("its key is empty")
	case len(key) > maxKey:
		return "", fmt.Errorf("its key has %d bytes, at most %d are possible", len(key), maxKey)
	}
	return strings.ToValidUTF8(key, "\uFFFD"), nil
}

const (
	slabMessages = 64
	slabBytes    = 16 << 10
)

// messages gives memory for messages and their arguments, several at a time: few enough that one message kept for long
// does not keep much else alive. It belongs to one goroutine.
type messages struct {
	slab []core.Message
	args []byte
}

func (m *messages) message() *core.Message {
	if len(m.slab) == 0 {
		m.slab = make([]core.Message, slabMessages)
	}
	msg := &m.slab[0]
	m.slab = m.slab[1:]
	return msg
}

// argument is ingress.EncodeValue.
func (m *messages) argument(typename string, payload []byte) core.Value {
	most := len(typename) + len(payload) + 24 // tags and lengths take less
	if most > slabBytes/8 {
		return ingress.EncodeValue(typename, payload)
	}
	if cap(m.args)-len(m.args) < most {
		m.args = make([]byte, 0, slabBytes)
	}
	begin := len(m.args)
	m.args = ingress.AppendValue(m.args, typename, payload)
	return core.Value(m.args[begin:len(m.args):len(m.args)])
}
