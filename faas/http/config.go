package http

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

// Transport names the StateFun transport whose keys, defaults and habits a Client follows.
type Transport uint8

const (
	// Async is io.statefun.transports.v1/async: no redirects, own CA and client certificate, a payload limit.
	Async Transport = iota
	// OkHTTP is io.statefun.transports.v1/okhttp: follows redirects, Unix sockets, limits for each read and write.
	OkHTTP
)

// Config describes an endpoint. The zero value of a field means its default.
type Config struct {
	// URL is urlPathTemplate: {function.name} stands for the name part of the function type. Schemes: http, https,
	// http+unix, https+unix. It is sent as written.
	URL       string
	Transport Transport

	// Call bounds one try, from taking it off the queue to the end of the answer. Default: 2 min (OkHTTP: 1 min).
	Call time.Duration
	// Connect bounds name lookup and connecting, and again the TLS handshake. Default: 20 s (OkHTTP: 10 s).
	Connect time.Duration
	// Read and Write bound the wait for a single read and write. Default: none (OkHTTP: 10 s). Write bounds the
	// request as a whole where TLS or a proxy is used.
	Read, Write time.Duration

	// PoolSize is the most connections to one host, and so the most requests at a time. Default: 1024.
	PoolSize int
	// PoolTTL is how long a connection is used, plus 1 to 3 s at random; negative means without limit. Default: 15 s
	// (OkHTTP: 1 min).
	PoolTTL time.Duration
	// PayloadMaxBytes is the longest answer that is read, after decompression. Default: 32 MiB (OkHTTP: 1 GiB).
	PayloadMaxBytes int64

	// HTTP2 says that plain connections speak HTTP/2 from the first byte. TLS ones do where the server offers it, whatever this
	// says.
	HTTP2 bool

	// TrustCACerts, ClientCert and ClientKey are paths of PEM files, the key in PKCS#8; ClientKeyPassword is the path
	// of a file that holds the key's password. Certificate and key come together or not at all.
	TrustCACerts, ClientCert, ClientKey, ClientKeyPassword string

	// Proxy, if set, is the HTTP proxy through which all requests go.
	Proxy *url.URL

	// Now is the clock for a Retry-After date in an answer without a Date. Default: the wall clock.
	Now func() core.Millis
}

func (c Config) withDefaults() Config {
	call, connect, each, ttl, payload := 2*time.Minute, 20*time.Second, time.Duration(0), 15*time.Second, int64(32<<20)
	if c.Transport == OkHTTP {
		call, connect, each, ttl, payload = time.Minute, 10*time.Second, 10*time.Second, time.Minute, int64(1<<30)
	}
	setDefault(&c.Call, call)
	setDefault(&c.Connect, connect)
	setDefault(&c.Read, each)
	setDefault(&c.Write, each)
	setDefault(&c.PoolTTL, ttl)
	setDefault(&c.PoolSize, 1024)
	setDefault(&c.PayloadMaxBytes, payload)
	if c.Now == nil {
		c.Now = func() core.Millis { return core.Millis(time.Now().UnixMilli()) }
	}
	return c
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// validate reports all conflicts at once.
func (c Config) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Transport <= OkHTTP, "Transport: unknown transport %d", c.Transport)
	check(c.Call > 0, "Call: %v must be positive", c.Call)
	check(c.Connect > 0, "Connect: %v must be positive", c.Connect)
	check(c.Read >= 0, "Read: %v must not be negative", c.Read)
	check(c.Write >= 0, "Write: %v must not be negative", c.Write)
	check(c.PoolSize > 0, "PoolSize: %d must be positive", c.PoolSize)
	check(c.PayloadMaxBytes > 0 && c.PayloadMaxBytes < math.MaxInt32, "PayloadMaxBytes: %d must be from 1 to 2 GiB", c.PayloadMaxBytes)
	check((c.ClientCert == "") == (c.ClientKey == ""), "ClientCert and ClientKey: one is set without the other")
	check(c.ClientKeyPassword == "" || c.ClientKey != "", "ClientKeyPassword: set without a ClientKey")
	return errors.Join(errs...)
}
