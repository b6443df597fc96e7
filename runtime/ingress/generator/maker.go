package generator

import (
	"encoding/binary"
	"time"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
)

const (
	// maxRecords is how many records a batch has at most.
	maxRecords = 256
	// slabSize is how many messages share one allocation: few enough that one message kept for long
	// does not keep much else alive.
	slabSize = 64
)

// maker makes the messages of one partition. It belongs to one goroutine.
type maker struct {
	opts   Options
	ids    *ids
	keys   []string // of the batch being made
	limit  int64    // records a batch may have
	shared []byte   // the payload of Text and Bytes, and
	arg    core.Value
	head   []byte // what stands before the eight bytes of a long in an encoded TypedValue
}

// constantPayload is the payload of Bytes and Text records; nil for the other kinds.
func constantPayload(o Options) []byte {
	switch o.Value {
	case Text:
		return ingress.AppendText(nil, o.Text)
	case Bytes:
		b := make([]byte, 0, o.Size+8)
		for i := uint64(1); len(b) < o.Size; i++ {
			b = binary.LittleEndian.AppendUint64(b, mix(mix(o.Seed)^mix(i)))
		}
		return b[:o.Size:o.Size]
	case Sequence, Timestamp:
	}
	return nil
}

func newMaker(o Options, ids *ids, shared []byte) *maker {
	m := &maker{opts: o, ids: ids, keys: make([]string, maxRecords), shared: shared, limit: maxRecords}
	if o.Value == Text || o.Value == Bytes {
		m.arg = ingress.EncodeValue(o.ValueType, shared)
	} else {
		whole := ingress.EncodeValue(o.ValueType, ingress.AppendLong(nil, -1))
		m.head = whole[:len(whole)-8]
	}
	// Messages of one batch may share an argument, but the budgets count each.
	each := int64(len(m.arg)+len(o.Prefix)+256) * int64(max(len(o.Targets), 1))
	m.limit = max(min(m.limit, ingress.MaxBatchBytes/each), 1)
	return m
}

// batch makes the messages of the records first, first+step, … (n of them).
func (m *maker) batch(first, step, n int64) ([]*core.Message, error) {
	keys := m.keys[:n]
	m.ids.fill(keys, first, step)
	if m.opts.Router != nil {
		return m.route(keys, first, step)
	}
	return m.direct(keys, first, step), nil
}

func (m *maker) direct(keys []string, first, step int64) []*core.Message {
	msgs := make([]*core.Message, 0, len(keys)*len(m.opts.Targets))
	var slab []core.Message
	args := m.arguments(len(keys))
	for i, key := range keys {
		arg := args.next(first + int64(i)*step)
		for _, t := range m.opts.Targets {
			if len(slab) == 0 {
				slab = make([]core.Message, min(slabSize, cap(msgs)-len(msgs)))
			}
			msg := &slab[0]
			slab = slab[1:]
			msg.Target = core.Address{Type: t, ID: key}
			msg.Arg = arg
			msgs = append(msgs, msg)
		}
	}
	return msgs
}

func (m *maker) route(keys []string, first, step int64) ([]*core.Message, error) {
	msgs := make([]*core.Message, 0, len(keys))
	now, err := time.Now().UnixNano(), error(nil)
	for i, key := range keys {
		payload := m.shared
		switch m.opts.Value {
		case Sequence:
			payload = ingress.AppendLong(nil, first+int64(i)*step)
		case Timestamp:
			payload = ingress.AppendLong(nil, now)
		case Bytes, Text:
		}
		rec := ingress.Record{Key: key, Typename: m.opts.ValueType, Value: payload}
		if msgs, err = m.opts.Router(rec, msgs); err != nil {
			return nil, err
		}
	}
	return msgs, nil
}

// arguments makes the encoded arguments of one batch.
type arguments struct {
	m    *maker
	slab []byte
	left int
	same core.Value
}

func (m *maker) arguments(n int) arguments {
	a := arguments{m: m, left: n, same: m.arg}
	if m.opts.Value == Timestamp {
		a.same = ingress.EncodeValue(m.opts.ValueType, ingress.AppendLong(nil, time.Now().UnixNano()))
	}
	return a
}

// next is the argument of record seq; records are asked for in order.
func (a *arguments) next(seq int64) core.Value {
	if a.m.opts.Value != Sequence {
		return a.same
	}
	if seq == 0 { // zero has no bytes
		a.left--
		return ingress.EncodeValue(a.m.opts.ValueType, nil)
	}
	size := len(a.m.head) + 8
	if len(a.slab) < size {
		a.slab = make([]byte, size*min(slabSize, a.left))
	}
	v := a.slab[:size:size]
	a.slab = a.slab[size:]
	a.left--
	copy(v, a.m.head)
	binary.LittleEndian.PutUint64(v[len(a.m.head):], uint64(seq)) //nolint:gosec // not negative
	return v
}
