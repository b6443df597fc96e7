package group

import "encoding/base64"

// SizeEmpty is the length of a group without events, in bytes. Together with the sizes of its events it is the length of
// the group: exactly so for Protobuf, one byte too many for JSON, whose first event has no comma, and more for Packed.
func SizeEmpty(enc Encoding) int {
	switch enc {
	case JSON:
		return len("[]")
	case Packed:
		return packedSize(new(packer).bound(0))
	}
	return 0
}

// SizeCall is what a call adds to a group, in bytes. Of Packed it is what the call would add if it could not be
// compressed; an Encoder takes more.
func SizeCall(enc Encoding, c *Call) int { return SizeCallOf(enc, c, len(c.Data)) }

// SizeCallOf is SizeCall of a call whose Data is not there yet and will have so many bytes.
func SizeCallOf(enc Encoding, c *Call, data int) int {
	call := *c
	call.clean()
	if enc == JSON {
		var room [256]byte // on the stack, since nothing of an event is made of it
		subject, n := appendAddress(room[:0], &call)
		return sizeCallJSON(&call, subject, n, data) + len(",")
	}
	subject, n := appendAddress(nil, &call)
	var ev protoEvent
	ev.ofCall(&call, subject, n, "18446744073709551615"[:digits(call.Generation)])
	_, whole := ev.sizes(data)
	return incompressible(enc, whole)
}

// SizeAnswer is what an answer adds to a group, in bytes, as SizeCall.
func SizeAnswer(enc Encoding, a *Answer) int {
	answer := *a
	answer.clean()
	if enc == JSON {
		return sizeAnswerJSON(&answer) + len(",")
	}
	var ev protoEvent
	ev.ofAnswer(&answer)
	_, whole := ev.sizes(len(ev.data))
	return incompressible(enc, whole)
}

func incompressible(enc Encoding, n int) int {
	if enc != Packed {
		return n
	}
	return base64.StdEncoding.EncodedLen(n + 3*(n/blockSize+1))
}
