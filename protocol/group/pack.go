package group

import (
	"encoding/base64"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// What a Packed group looks like: the number is the version.
const (
	packedHead = `{"statewaygroup":1,"zstd":"`
	packedTail = `"}`
)

// packer compresses a CloudEventBatch as it grows, into one zstd frame.
type packer struct {
	z       *zstd.Encoder
	out     []byte // compressed so far
	flushed int    // bytes of the batch that out stands for
}

// Write takes what the compressor has written.
func (p *packer) Write(b []byte) (int, error) {
	p.out = append(p.out, b...)
	return len(b), nil
}

var packers = sync.Pool{New: func() any {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithWindowSize(packWindow), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true), zstd.WithZeroFrames(true))
	if err != nil {
		panic("group: zstd refuses its options: " + err.Error())
	}
	return &packer{z: z}
}}

const (
	packWindow = 512 << 10
	blockSize  = 128 << 10 // the largest block of a zstd frame
)

func newPacker() *packer {
	p := packers.Get().(*packer)
	p.reset()
	return p
}

// reset begins a new frame, also when the last one was not finished.
func (p *packer) reset() {
	p.out, p.flushed = p.out[:0], 0
	p.z.Reset(p)
}

const maxKeptPacked = 8 << 20

func (p *packer) release() {
	if cap(p.out) > maxKeptPacked {
		p.out = nil
	}
	packers.Put(p)
}

// flush compresses what was added to raw since the last time.
func (p *packer) flush(raw []byte) {
	_, _ = p.z.Write(raw[p.flushed:]) // Write above cannot fail
	_ = p.z.Flush()
	p.flushed = len(raw)
}

// finish ends the frame.
func (p *packer) finish(raw []byte) []byte {
	_, _ = p.z.Write(raw[p.flushed:])
	_ = p.z.Close()
	return p.out
}

// bound is the most that finish can return when raw has n bytes by then: what is compressed, the head of the frame, and
// for the rest blocks that cannot be compressed.
func (p *packer) bound(n int) int {
	rest := n - p.flushed
	return len(p.out) + 18 + rest + 3*(rest/blockSize+2)
}

// packedSize is the length of a Packed group whose frame has n bytes.
func packedSize(n int) int {
	return len(packedHead) + base64.StdEncoding.EncodedLen(n) + len(packedTail)
}

func appendPacked(b, frame []byte) []byte {
	b = append(slices.Grow(b, packedSize(len(frame))), packedHead...)
	b = base64.StdEncoding.AppendEncode(b, frame)
	return append(b, packedTail...)
}

var unpackers = sync.Pool{New: func() any {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxUnpacked),
		zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderLowmem(true))
	if err != nil {
		panic("group: zstd refuses its options: " + err.Error())
	}
	return z
}}

// unpack returns the CloudEventBatch of a Packed group.
func unpack(b []byte) ([]byte, error) {
	frame, why := readPacked(b)
	if why != "" {
		return nil, &Error{Item: -1, What: why}
	}
	z := unpackers.Get().(*zstd.Decoder)
	defer unpackers.Put(z)
	raw, err := z.DecodeAll(frame, make([]byte, 0, min(4*len(frame)+64, MaxUnpacked)))
	if err != nil {
		return nil, &Error{Item: -1, What: fmt.Sprintf("zstd: %v", err)}
	}
	if len(raw) > MaxUnpacked {
		return nil, &Error{Item: -1, What: fmt.Sprintf("more than %d bytes when unpacked", MaxUnpacked)}
	}
	return raw, nil
}

// readPacked returns the zstd frame of a Packed group, or what is wrong. Unknown members are passed over.
func readPacked(b []byte) (frame []byte, why string) {
	s := jsonScanner{b: b}
	version, found := "", false
	if !s.want('{') || s.take('}') {
		return nil, "not a packed group"
	}
	for s.err == "" {
		s.peek()
		key := s.text()
		if !s.want(':') {
			break
		}
		switch {
		case key == "statewaygroup" && version == "" && isDigit(s.peek()):
			version = text(s.number())
		case key == "zstd" && !found && s.peek() == '"':
			frame, found = s.base64()
			if !found {
				s.fail("zstd is not base64")
			}
		case key == "statewaygroup" || key == "zstd":
			s.fail("a member twice, or of another type")
		default:
			s.skip(1)
		}
		if s.err != "" || s.take('}') || !s.want(',') {
			break
		}
	}
	switch {
	case s.err != "":
		return nil, s.err
	case !s.end():
		return nil, "something after the group"
	case version == "" || !found:
		return nil, "not a packed group: statewaygroup or zstd is missing"
	case version != Version:
		return nil, "version " + version + " of the protocol, and this side speaks " + Version
	}
	return frame, ""
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
