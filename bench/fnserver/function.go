package main

import (
	"encoding/binary"
	"errors"
)

// The one state of the function, and its egress.
const (
	stateName  = "count"
	stateType  = "io.statefun.types/long"
	egressSpec = "\x0a\x05bench\x12\x03out" // fields 1 and 2 of EgressMessage
)

var errRequest = errors.New("not a ToFunction")

// batch is what the function needs of a ToFunction. Its slices point into the request.
type batch struct {
	known     bool     // the request carries the state
	count     uint64   // its value
	arguments [][]byte // encoded TypedValue of each message
}

// parse reads a ToFunction: field 100 holds target 1, state 2 and invocations 3.
func (b *batch) parse(request []byte) error {
	*b = batch{arguments: b.arguments[:0]}
	ok := fields(request, func(number int, _ uint64, data []byte) bool {
		return number != 100 || fields(data, func(number int, _ uint64, data []byte) bool {
			switch number {
			case 2:
				return b.parseState(data)
			case 3:
				return b.parseInvocation(data)
			}
			return true
		})
	})
	if !ok {
		return errRequest
	}
	return nil
}

// parseState reads a PersistedValue: name 1, value 2, of which field 3 is a LongWrapper, a fixed64 in field 1.
func (b *batch) parseState(state []byte) bool {
	var name, value []byte
	ok := fields(state, func(number int, _ uint64, data []byte) bool {
		switch number {
		case 1:
			name = data
		case 2:
			value = data
		}
		return true
	})
	if !ok || string(name) != stateName {
		return ok
	}
	b.known = true
	return fields(value, func(number int, _ uint64, data []byte) bool {
		return number != 3 || fields(data, func(number int, v uint64, _ []byte) bool {
			if number == 1 {
				b.count = v
			}
			return true
		})
	})
}

func (b *batch) parseInvocation(invocation []byte) bool {
	return fields(invocation, func(number int, _ uint64, data []byte) bool {
		if number == 2 {
			b.arguments = append(b.arguments, data)
		}
		return true
	})
}

// fields calls f for each field of an encoded message: v for numbers, data for what has a length. It is false if the message is malformed or
// f says so.
func fields(message []byte, f func(number int, v uint64, data []byte) bool) bool {
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 {
			return false
		}
		message = message[n:]
		var (
			v    uint64
			data []byte
		)
		switch tag & 7 {
		case 0:
			if v, n = binary.Uvarint(message); n <= 0 {
				return false
			}
		case 1:
			if n = 8; len(message) < n {
				return false
			}
			v = binary.LittleEndian.Uint64(message)
		case 5:
			if n = 4; len(message) < n {
				return false
			}
			v = uint64(binary.LittleEndian.Uint32(message))
		case 2:
			var size uint64
			if size, n = binary.Uvarint(message); n <= 0 || size > uint64(len(message)-n) { //nolint:gosec // n is at most the length
				return false
			}
			data = message[n : n+int(size)] //nolint:gosec // not above len(message)
			n += int(size)                  //nolint:gosec // not above len(message)
		default:
			return false
		}
		message = message[n:]
		if tag>>3 > 1<<29-1 || !f(int(tag>>3), v, data) { //nolint:gosec // below 1<<29
			return false
		}
	}
	return true
}

// incomplete is the whole answer to a request without the state: FromFunction field 101, missing_values 1, name 1, type 3.
var incomplete = func() []byte {
	spec := appendBytes(nil, 1, []byte(stateName))
	spec = appendBytes(spec, 3, []byte(stateType))
	return appendBytes(nil, 101, appendBytes(nil, 1, spec))
}()

// mutation is everything of the state's mutation but the count: type MODIFY, name, typename, has_value and the head of the value.
var mutation = func() []byte {
	value := appendBytes(nil, 1, []byte(stateType))
	value = append(value, 2<<3, 1, 3<<3|2, 9, 1<<3|1)
	m := append([]byte{1 << 3, 1}, appendBytes(nil, 2, []byte(stateName))...)
	m = append(m, 3<<3|2)
	m = binary.AppendUvarint(m, uint64(len(value)+8))
	return append(m, value...)
}()

// resultSize is the length of the InvocationResponse.
func (b *batch) resultSize() int {
	size := sizeOf(len(mutation) + 8)
	for _, a := range b.arguments {
		size += sizeOf(len(egressSpec) + sizeOf(len(a)))
	}
	return size
}

// sizeOf is the length of a field of n bytes, with tag (a number up to 15) and length.
func sizeOf(n int) int { return 1 + uvarintSize(n) + n }

func uvarintSize(n int) int {
	size := 1
	for ; n > 127; n >>= 7 {
		size++
	}
	return size
}

func (b *batch) answerSize() int {
	if !b.known {
		return len(incomplete)
	}
	result := b.resultSize()
	return 2 + uvarintSize(result) + result
}

// appendAnswer appends the FromFunction: the count after the batch, and one record for each message.
func (b *batch) appendAnswer(out []byte) []byte {
	if !b.known {
		return append(out, incomplete...)
	}
	out = binary.AppendUvarint(out, 100<<3|2)
	out = binary.AppendUvarint(out, uint64(b.resultSize())) //nolint:gosec // a length
	out = append(out, 1<<3|2)
	out = binary.AppendUvarint(out, uint64(len(mutation)+8))
	out = append(out, mutation...)
	out = binary.LittleEndian.AppendUint64(out, b.count+uint64(len(b.arguments)))
	for _, a := range b.arguments {
		out = append(out, 4<<3|2)
		out = binary.AppendUvarint(out, uint64(len(egressSpec)+sizeOf(len(a)))) //nolint:gosec // a length
		out = append(out, egressSpec...)
		out = appendBytes(out, 3, a)
	}
	return out
}

func appendBytes(out []byte, field uint64, data []byte) []byte {
	out = binary.AppendUvarint(out, field<<3|2)
	out = binary.AppendUvarint(out, uint64(len(data)))
	return append(out, data...)
}
