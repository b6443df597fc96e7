package http

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
)

const maxEncodings = 4

// errLarge is what the error of a body wraps that is too long when decompressed.
var errLarge = errors.New("more than payload_max_bytes")

// decompress undoes the content encodings of a body, the last one applied first. No step gives more than limit bytes.
func decompress(body []byte, encodings []string, limit int64) ([]byte, error) {
	if len(body) == 0 {
		return body, nil
	}
	if len(encodings) > maxEncodings {
		return nil, fmt.Errorf("content encodings %q: more than %d", encodings, maxEncodings)
	}
	for i := len(encodings) - 1; i >= 0; i-- {
		var err error
		if body, err = decode(body, encodings[i], limit); err != nil {
			return nil, fmt.Errorf("content encoding %q of the answer: %w", encodings[i], err)
		}
	}
	return body, nil
}

func decode(body []byte, encoding string, limit int64) ([]byte, error) {
	r, err := decoder(body, encoding)
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(out)) > limit {
		return nil, fmt.Errorf("%w (%d bytes) when decompressed", errLarge, limit)
	}
	return out, nil
}

func decoder(body []byte, encoding string) (io.Reader, error) {
	in := bytes.NewReader(body)
	switch encoding {
	case "gzip", "x-gzip":
		return gzip.NewReader(in)
	case "deflate": // by the standard zlib's format; some servers send it bare
		r, err := zlib.NewReader(in)
		if err == nil {
			return r, nil
		}
		return flate.NewReader(bytes.NewReader(body)), nil
	}
	return nil, errors.New("not one of gzip and deflate, which were offered")
}
