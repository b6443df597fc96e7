package http

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

func packed(tb testing.TB, format string, data []byte) string {
	tb.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch format {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zlib":
		w = zlib.NewWriter(&b)
	case "flate":
		w, _ = flate.NewWriter(&b, flate.BestCompression)
	}
	if _, err := w.Write(data); err != nil {
		tb.Fatal(err)
	}
	w.Close()
	return b.String()
}

// ok200 is a 200 answer with further headers.
func ok200(body string, headers ...string) string {
	return "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n" +
		strings.Join(headers, "\r\n") + strings.Repeat("\r\n", min(len(headers), 1)) + "\r\n" + body
}

func status(line string, headers ...string) string {
	return "HTTP/1.1 " + line + "\r\n" + strings.Join(append(headers, "Content-Length: 4"), "\r\n") + "\r\n\r\nbody"
}

func TestAnswers(t *testing.T) {
	body := string(okBody)
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
	bomb := packed(t, "gzip", make([]byte, 4<<20))
	tests := []struct {
		name   string
		answer string
		class  core.OutcomeClass
		reason string // a part of it
		after  core.Millis
		closes bool // the server closes after the answer
	}{
		{"plain", okAnswer(), core.OutcomeOK, "", 0, false},
		{"201", strings.Replace(okAnswer(), "200 OK", "201 Created", 1), core.OutcomeOK, "", 0, false},
		{"a status without words", strings.Replace(okAnswer(), "200 OK", "200", 1), core.OutcomeOK, "", 0, false},
		{"content type in capitals, with parameters", "HTTP/1.1 200 OK\r\ncontent-TYPE: Application/Octet-Stream; charset=x\r\nCONTENT-length: 0\r\n\r\n", core.OutcomeOK, "", 0, false},
		{"no content type, empty body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", core.OutcomeOK, "", 0, false},
		{"204", "HTTP/1.1 204 No Content\r\n\r\n", core.OutcomeOK, "", 0, false},
		{"lines that end in line feeds alone", strings.ReplaceAll("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "\r", ""), core.OutcomeOK, "", 0, false},
		{"neither alternative", ok200("\x38\x01"), core.OutcomeOK, "", 0, false},
		{"interim answers", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + okAnswer(), core.OutcomeOK, "", 0, false},
		{"chunks", chunked + "3;ext=1\r\n" + body[:3] + "\r\n" + strconv.FormatInt(int64(len(body)-3), 16) + "\r\n" + body[3:] + "\r\n0\r\nTrailer: x\r\n\r\n", core.OutcomeOK, "", 0, false},
		{"no chunks", chunked + "0\r\n\r\n", core.OutcomeOK, "", 0, false},
		{"a body to the end of the connection", "HTTP/1.1 200 OK\r\n\r\n" + body, core.OutcomeOK, "", 0, true},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body, core.OutcomeOK, "", 0, true},
		{"connection: close", ok200(body, "Connection: Close"), core.OutcomeOK, "", 0, true},
		{"gzip", ok200(packed(t, "gzip", okBody), "Content-Encoding: GZIP"), core.OutcomeOK, "", 0, false},
		{"deflate", ok200(packed(t, "zlib", okBody), "Content-Encoding: deflate"), core.OutcomeOK, "", 0, false},
		{"deflate as some servers have it", ok200(packed(t, "flate", okBody), "Content-Encoding: deflate"), core.OutcomeOK, "", 0, false},
		{"twice encoded", ok200(packed(t, "gzip", []byte(packed(t, "zlib", okBody))), "Content-Encoding: deflate, identity", "Content-Encoding: gzip"), core.OutcomeOK, "", 0, false},

		{"429", status("429 Too Many Requests"), core.OutcomeTrouble, "status 429 Too Many Requests: \"body\"", 0, false},
		{"502", status("502 Bad Gateway"), core.OutcomeTrouble, "status 502", 0, false},
		{"503 and seconds", status("503 Service Unavailable", "Retry-After: 7"), core.OutcomeTrouble, "status 503", 7000, false},
		{"503 and a date", status("503 Unavailable", "Date: Mon, 02 Jan 2006 15:04:05 GMT", "Retry-After: Mon, 02 Jan 2006 15:05:05 GMT"), core.OutcomeTrouble, "status 503", 60_000, false},
		{"a date that is over", status("503 Unavailable", "Retry-After: Mon, 02 Jan 2006 15:05:05 GMT"), core.OutcomeTrouble, "status 503", 0, false},
		{"an absurd wait", status("504 Gateway Timeout", "Retry-After: 99999999999999999"), core.OutcomeTrouble, "status 504", maxRetryAfter, false},
		{"a wait of more seconds than there are numbers", status("504 Gateway Timeout", "Retry-After: 99999999999999999999999"), core.OutcomeTrouble, "status 504", maxRetryAfter, false},
		{"a wait that is none", status("504 Gateway Timeout", "Retry-After: soon"), core.OutcomeTrouble, "status 504", 0, false},

		{"500 says what the function said", status("500 Internal Server Error"), core.OutcomeFailed, "status 500 Internal Server Error: \"body\"", 0, false},
		{"500 with a large page", "HTTP/1.1 500 X\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("no", 500_000), core.OutcomeFailed, "nono\"…", 0, true},
		{"404", status("404 Not Found"), core.OutcomeFailed, "status 404", 0, false},
		{"a redirect", status("302 Found", "Location: /elsewhere"), core.OutcomeFailed, "status 302", 0, false},
		{"101", "HTTP/1.1 101 Switching Protocols\r\n\r\n", core.OutcomeFailed, "status 101", 0, true},
		{"another content type", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nhtml", core.OutcomeFailed, "content type \"text/html\" of the answer: must be application/octet-stream: \"html\"", 0, false},
		{"bytes that are no answer", ok200("not protobuf"), core.OutcomeFailed, "bad response: not a FromFunction", 0, false},
		{"a body cut short", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", core.OutcomeFailed, "closed the connection before the end", 0, true},
		{"a head cut short", "HTTP/1.1 200 OK\r\nContent-Le", core.OutcomeFailed, "closed the connection before the end", 0, true},
		{"a hang-up", "", core.OutcomeFailed, "closed the connection before the end", 0, true},
		{"chunks cut short", chunked + "5\r\nab", core.OutcomeFailed, "closed the connection before the end", 0, true},
		{"a bad chunk size", chunked + "xyz\r\n", core.OutcomeFailed, "bad chunk size", 0, true},
		{"a chunk longer than it says", chunked + "1\r\nabc\r\n", core.OutcomeFailed, "longer than it says", 0, true},
		{"an oversized body", ok200(strings.Repeat("x", 2<<20)), core.OutcomeFailed, "larger than payload_max_bytes (1048576 bytes)", 0, true},
		{"an oversized claim", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n", core.OutcomeFailed, "larger than payload_max_bytes", 0, true},
		{"oversized chunks", chunked + "ffffffff\r\n", core.OutcomeFailed, "larger than payload_max_bytes", 0, true},
		{"a gzip bomb", ok200(bomb, "Content-Encoding: gzip"), core.OutcomeFailed, "more than payload_max_bytes (1048576 bytes) when decompressed", 0, false},
		{"gzip that is none", ok200("abc", "Content-Encoding: gzip"), core.OutcomeFailed, "content encoding \"gzip\"", 0, false},
		{"an encoding not offered", ok200("abc", "Content-Encoding: br"), core.OutcomeFailed, "not one of gzip and deflate", 0, false},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", core.OutcomeFailed, "two Content-Length", 0, true},
		{"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", core.OutcomeFailed, "bad Content-Length", 0, true},
		{"no HTTP", "SSH-2.0-OpenSSH_9.6\r\n", core.OutcomeFailed, "not an HTTP/1 answer", 0, true},
		{"a folded header", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", core.OutcomeFailed, "bad header", 0, true},
		{"a header without end", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 100_000), core.OutcomeFailed, "larger than 64 KiB", 0, true},
		{"headers without end", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 20_000), core.OutcomeFailed, "larger than 64 KiB", 0, true},
		{"an unknown transfer encoding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", core.OutcomeFailed, "unknown Transfer-Encoding", 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t, func(_ int, c net.Conn, r *bufio.Reader) {
				for {
					if _, _, err := readRequest(r); err != nil {
						return
					}
					io.WriteString(c, tt.answer)
					if tt.closes {
						return
					}
				}
			})
			c := newCaller(t, Config{URL: s.url, PayloadMaxBytes: 1 << 20, Call: 10 * time.Second})
			for range 2 {
				o := c.call(invocation("Kim"))
				if o.Class != tt.class || !strings.Contains(o.Reason, tt.reason) || o.RetryAfter != tt.after {
					t.Errorf("got %v %q after %d, want %v with %q after %d", o.Class, o.Reason, o.RetryAfter, tt.class, tt.reason, tt.after)
				}
			}
			want := int32(1)
			if tt.closes {
				want = 2
			}
			if n := s.connections.Load(); n != want {
				t.Errorf("two requests took %d connections, want %d", n, want)
			}
		})
	}
}
