package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
)

// maxRequest bounds one request, head and body.
const maxRequest = 64 << 20

var (
	errHead   = errors.New("not a POST with Content-Length")
	endOfHead = []byte("\r\n\r\n")
	lengthKey = []byte("content-length:")
)

// serve answers requests of one connection until it ends or sends what this server does not understand.
func serve(conn net.Conn) {
	defer conn.Close()
	var (
		in   = make([]byte, 0, 16<<10)
		out  = make([]byte, 0, 16<<10)
		call batch
	)
	for {
		body, rest, err := nextRequest(in)
		if err != nil {
			return
		}
		if body != nil {
			out = appendAnswer(out[:0], &call, body)
			if _, err := conn.Write(out); err != nil {
				return
			}
			in = in[:copy(in, rest)]
			continue
		}
		if len(in) == cap(in) {
			if cap(in) >= maxRequest {
				return
			}
			in = append(make([]byte, 0, 2*cap(in)), in...)
		}
		n, err := conn.Read(in[len(in):cap(in)])
		in = in[:len(in)+n]
		if err != nil && n == 0 {
			return
		}
	}
}

// nextRequest returns the body of the first whole request in b and what follows it. body is nil while the request is not whole.
func nextRequest(b []byte) (body, rest []byte, err error) {
	end := bytes.Index(b, endOfHead)
	if end < 0 {
		return nil, b, nil
	}
	length, err := contentLength(b[:end])
	if err != nil {
		return nil, b, err
	}
	start := end + len(endOfHead)
	if len(b)-start < length {
		return nil, b, nil
	}
	return b[start : start+length : start+length], b[start+length:], nil
}

func contentLength(head []byte) (int, error) {
	if !bytes.HasPrefix(head, []byte("POST ")) {
		return 0, errHead
	}
	for {
		i := bytes.IndexByte(head, '\n')
		if i < 0 {
			return 0, errHead
		}
		head = head[i+1:]
		if len(head) < len(lengthKey) || !bytes.EqualFold(head[:len(lengthKey)], lengthKey) {
			continue
		}
		value := head[len(lengthKey):]
		if i := bytes.IndexByte(value, '\r'); i >= 0 {
			value = value[:i]
		}
		n, err := strconv.Atoi(string(bytes.TrimSpace(value)))
		if err != nil || n < 0 || n > maxRequest {
			return 0, fmt.Errorf("%w: length %q", errHead, value)
		}
		return n, nil
	}
}

const (
	okHead  = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: "
	badHead = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: "
)

// appendAnswer appends the whole HTTP answer to a request with that body.
func appendAnswer(out []byte, call *batch, body []byte) []byte {
	if err := call.parse(body); err != nil {
		text := err.Error()
		out = strconv.AppendInt(append(out, badHead...), int64(len(text)), 10)
		return append(append(out, endOfHead...), text...)
	}
	out = strconv.AppendInt(append(out, okHead...), int64(call.answerSize()), 10)
	out = append(out, endOfHead...)
	return call.appendAnswer(out)
}
