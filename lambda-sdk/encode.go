package stateway

import (
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// AppendFromFunction appends the effects as the protocol's FromFunction message.
func (e *Effects) AppendFromFunction(dst []byte) []byte {
	if len(e.Missing) > 0 {
		return e.appendIncomplete(dst)
	}
	size := 0
	for i := range e.Mutations {
		size += sizeMessageField(e.Mutations[i].size())
	}
	for i := range e.Messages {
		size += sizeMessageField(e.Messages[i].size())
	}
	for i := range e.Delayed {
		size += sizeMessageField(e.Delayed[i].size())
	}
	for i := range e.Egress {
		size += sizeMessageField(e.Egress[i].size())
	}
	dst = reserve(dst, size+12)
	dst = appendHeader(dst, fieldResult, size)
	for i := range e.Mutations {
		dst = e.Mutations[i].append(dst)
	}
	for i := range e.Messages {
		dst = e.Messages[i].append(dst)
	}
	for i := range e.Delayed {
		dst = e.Delayed[i].append(dst)
	}
	for i := range e.Egress {
		dst = e.Egress[i].append(dst)
	}
	return dst
}

func (e *Effects) appendIncomplete(dst []byte) []byte {
	size := 0
	for i := range e.Missing {
		size += sizeMessageField(e.Missing[i].size())
	}
	dst = reserve(dst, size+12)
	dst = appendHeader(dst, fieldIncomplete, size)
	for i := range e.Missing {
		dst = e.Missing[i].append(dst)
	}
	return dst
}

// reserve makes room for n more bytes at once.
func reserve(dst []byte, n int) []byte {
	if cap(dst)-len(dst) >= n {
		return dst
	}
	return append(make([]byte, 0, len(dst)+n), dst...)
}

func (s *ValueSpec) size() int {
	n := sizeBytesField(len(s.Name)) + sizeBytesField(len(s.TypeName))
	if s.Mode != NeverExpire {
		n += sizeMessageField(s.expirySize())
	}
	return n
}

func (s *ValueSpec) expirySize() int {
	return sizeVarintField(uint64(s.Mode)) + sizeVarintField(uint64(s.ExpireAfterMillis)) //nolint:gosec // two's complement is the encoding
}

func (s *ValueSpec) append(dst []byte) []byte {
	dst = appendHeader(dst, 1, s.size())
	dst = appendStringField(dst, 1, s.Name)
	if s.Mode != NeverExpire {
		dst = appendHeader(dst, 2, s.expirySize())
		dst = appendVarintField(dst, 1, uint64(s.Mode))              //nolint:gosec // a small positive number
		dst = appendVarintField(dst, 2, uint64(s.ExpireAfterMillis)) //nolint:gosec // two's complement is the encoding
	}
	return appendStringField(dst, 3, s.TypeName)
}

// change returns the number of the protocol's MutationType: 0 removes, 1 writes.
func (m *Mutation) change() uint64 {
	if m.Value == nil {
		return 0
	}
	return 1
}

func (m *Mutation) size() int {
	n := sizeVarintField(m.change()) + sizeBytesField(len(m.Name))
	if m.Value != nil {
		n += sizeMessageField(len(m.Value))
	}
	return n
}

func (m *Mutation) append(dst []byte) []byte {
	dst = appendHeader(dst, 1, m.size())
	dst = appendVarintField(dst, 1, m.change())
	dst = appendStringField(dst, 2, m.Name)
	if m.Value == nil {
		return dst
	}
	return append(appendHeader(dst, 3, len(m.Value)), m.Value...)
}

func (o *Outgoing) size() int {
	return sizeMessageField(sizeAddress(o.Target)) + sizeMessageField(len(o.Argument))
}

func (o *Outgoing) append(dst []byte) []byte {
	dst = appendHeader(dst, 2, o.size())
	dst = appendAddress(dst, 1, o.Target)
	return append(appendHeader(dst, 2, len(o.Argument)), o.Argument...)
}

func (d *Delayed) size() int {
	if d.Cancel {
		return 2 + sizeBytesField(len(d.Token))
	}
	return sizeVarintField(uint64(d.Millis)) + sizeMessageField(sizeAddress(d.Target)) + //nolint:gosec // never negative
		sizeMessageField(len(d.Argument)) + sizeBytesField(len(d.Token))
}

func (d *Delayed) append(dst []byte) []byte {
	dst = appendHeader(dst, 3, d.size())
	if d.Cancel {
		return appendStringField(appendVarintField(dst, 10, 1), 11, d.Token)
	}
	dst = appendVarintField(dst, 1, uint64(d.Millis)) //nolint:gosec // never negative
	dst = appendAddress(dst, 2, d.Target)
	dst = append(appendHeader(dst, 3, len(d.Argument)), d.Argument...)
	return appendStringField(dst, 11, d.Token)
}

func (r *EgressRecord) size() int {
	return sizeName(string(r.Egress)) + sizeMessageField(len(r.Argument))
}

func (r *EgressRecord) append(dst []byte) []byte {
	dst = appendHeader(dst, 4, r.size())
	dst = appendName(dst, string(r.Egress))
	return append(appendHeader(dst, 3, len(r.Argument)), r.Argument...)
}

func sizeAddress(a Address) int {
	return sizeName(string(a.Type)) + sizeBytesField(len(a.ID))
}

func appendAddress(dst []byte, num protowire.Number, a Address) []byte {
	dst = appendHeader(dst, num, sizeAddress(a))
	dst = appendName(dst, string(a.Type))
	return appendStringField(dst, 3, a.ID)
}

// A name namespace/name, checked before, travels as its two parts in the fields 1 and 2.

func sizeName(name string) int {
	i := strings.LastIndexByte(name, '/')
	return sizeBytesField(max(i, 0)) + sizeBytesField(len(name)-i-1)
}

func appendName(dst []byte, name string) []byte {
	i := strings.LastIndexByte(name, '/')
	dst = appendStringField(dst, 1, name[:max(i, 0)])
	return appendStringField(dst, 2, name[i+1:])
}
