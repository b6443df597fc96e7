package module

import (
	"math"
	"time"
)

// The transports of an HTTP endpoint.
const (
	TransportAsync  = "io.statefun.transports.v1/async"
	TransportOKHTTP = "io.statefun.transports.v1/okhttp"
)

// Transport is how an HTTP endpoint is spoken to, with every default filled in. StateFun's two transports differ
// in their defaults and in a few behaviours; here these are values, so that one client serves both.
type Transport struct {
	// Type is TransportAsync or TransportOKHTTP; empty for an embedded endpoint.
	Type string `json:",omitzero"`
	// Call is the budget of an invocation with all its tries. Always above zero.
	Call time.Duration
	// Connect bounds opening a connection, and waiting for a free one. Always above zero over HTTP.
	Connect time.Duration `json:",omitzero"`
	// Read bounds each wait for bytes of an answer; 0 means only Call does.
	Read time.Duration `json:",omitzero"`
	// Write bounds each wait for bytes of a request to be taken; 0 means only Call does.
	Write time.Duration `json:",omitzero"`
	// PoolSize is the most connections; 0 means no limit.
	PoolSize int `json:",omitzero"`
	// PoolIdle is the most connections kept without a request.
	PoolIdle int `json:",omitzero"`
	// PoolTTL is how long a connection is used before it is replaced; 0 means no limit.
	PoolTTL time.Duration `json:",omitzero"`
	// IdleTimeout is how long a connection without a request is kept; 0 means no limit but PoolTTL.
	IdleTimeout time.Duration `json:",omitzero"`
	// PayloadMaxBytes is the most bytes of a response body, after decompression.
	PayloadMaxBytes int64 `json:",omitzero"`
	// FollowRedirects says whether 3xx answers are followed instead of counted as failures.
	FollowRedirects bool `json:",omitzero"`
	// HTTP2 says whether HTTP/2 is used where a TLS server offers it; with KindKnative, without TLS as well.
	HTTP2 bool `json:",omitzero"`
	// TLS holds the files for https.
	TLS TLSFiles `json:",omitzero"`
}

// TLSFiles are paths of PEM files; empty means not given. They are not opened at load.
type TLSFiles struct {
	TrustCACerts string `json:",omitzero"` // CA bundle instead of the system's
	ClientCert   string `json:",omitzero"` // given together with ClientKey, or neither
	ClientKey    string `json:",omitzero"` // PKCS#8
	// ClientKeyPassword is the path of a file that holds the key's password.
	ClientKeyPassword string `json:",omitzero"`
}

const (
	defaultPool    = 1024
	defaultPayload = 32 << 20
)

func asyncTransport() Transport {
	return Transport{
		Type: TransportAsync,
		Call: 2 * time.Minute, Connect: 20 * time.Second,
		PoolSize: defaultPool, PoolIdle: defaultPool, PoolTTL: 15 * time.Second,
		PayloadMaxBytes: defaultPayload,
	}
}

func okhttpTransport() Transport {
	return Transport{
		Type: TransportOKHTTP,
		Call: time.Minute, Connect: 10 * time.Second, Read: 10 * time.Second, Write: 10 * time.Second,
		PoolIdle: defaultPool, IdleTimeout: time.Minute,
		PayloadMaxBytes: defaultPayload, FollowRedirects: true, HTTP2: true,
	}
}

func (l *loader) transport(o *object, typ *node, allowed ...string) Transport {
	name, n := l.name(typ, "transport.type")
	if n == nil || !l.oneOf(n, "transport.type", name.String(), allowed...) {
		return asyncTransport() // which keys it may have is not known
	}
	var t Transport
	if name.String() == TransportOKHTTP {
		t = okhttpTransport()
		l.okhttpTimeouts(o, &t)
		for _, key := range []string{"call", "connect"} {
			l.without(o, key, "write timeouts: {"+key+": …}", "okhttp takes its times from timeouts")
		}
	} else {
		t = asyncTransport()
		l.asyncTimeouts(o, &t)
	}
	l.pool(o, &t)
	t.TLS = l.tls(o)
	o.done()
	return t
}

// asyncTimeouts reads call and connect. If timeouts is there, both come from it, with okhttp's defaults: StateFun
// has this so that files written for okhttp keep their meaning.
func (l *loader) asyncTimeouts(o *object, t *Transport) {
	if !o.has("timeouts") {
		o.value("timeouts")
		t.Call = o.positive("call", t.Call)
		t.Connect = o.positive("connect", t.Connect)
		return
	}
	old := okhttpTransport()
	t.Call, t.Connect = old.Call, old.Connect
	for _, key := range []string{"call", "connect"} {
		l.without(o, key, "keep either timeouts or the keys beside it", "it is ignored because timeouts is given")
	}
	p := o.sub("timeouts")
	if p == nil {
		return
	}
	t.Call = p.positive("call", t.Call)
	t.Connect = p.positive("connect", t.Connect)
	for _, key := range []string{"read", "write"} {
		l.without(p, key, "leave it out: call bounds the whole", "the async transport has no such limit")
	}
	p.done()
}

// okhttpTimeouts reads timeouts. Where it is given, none may be longer than call.
func (l *loader) okhttpTimeouts(o *object, t *Transport) {
	p := o.sub("timeouts")
	if p == nil {
		return
	}
	t.Call = p.positive("call", t.Call)
	for _, limit := range []struct {
		key string
		d   *time.Duration
	}{{"connect", &t.Connect}, {"read", &t.Read}, {"write", &t.Write}} {
		*limit.d = p.positive(limit.key, *limit.d)
		if *limit.d <= t.Call {
			continue
		}
		if p.has(limit.key) {
			l.errorf(p.keyAt(limit.key), "let it be at most call", "timeouts.%s %s is longer than timeouts.call %s", limit.key, *limit.d, t.Call)
		} else {
			l.errorf(p.keyAt("call"), "give "+limit.key+" as well, at most as long as call",
				"timeouts.call %s is shorter than the default of timeouts.%s, %s", t.Call, limit.key, *limit.d)
		}
	}
	p.done()
}

func (l *loader) pool(o *object, t *Transport) {
	t.PoolTTL = o.lifetime("pool_ttl", t.PoolTTL)
	t.PoolSize = int(o.integer("pool_size", int64(t.PoolSize), 1, math.MaxInt32))
	if t.PoolSize > 0 {
		t.PoolIdle = t.PoolSize
	}
	t.PayloadMaxBytes = o.integer("payload_max_bytes", t.PayloadMaxBytes, 1, math.MaxInt32)
}

func (l *loader) tls(o *object) TLSFiles {
	f := TLSFiles{
		TrustCACerts:      o.location("trust_cacerts"),
		ClientCert:        o.location("client_cert"),
		ClientKey:         o.location("client_key"),
		ClientKeyPassword: o.location("client_key_password"),
	}
	if o.has("client_cert") != o.has("client_key") {
		given, missing := "client_cert", "client_key"
		if o.has(missing) {
			given, missing = missing, given
		}
		l.errorf(o.keyAt(given), "give both or neither", "%s needs %s", given, missing)
	}
	if o.has("client_key_password") && !o.has("client_key") {
		l.errorf(o.keyAt("client_key_password"), "add client_cert and client_key", "client_key_password needs client_key")
	}
	return f
}

// without warns of a key that is known, and does nothing here.
func (l *loader) without(o *object, key, hint, why string) {
	o.known = append(o.known, key)
	if o.has(key) {
		l.warnf(o.keyAt(key), hint, "%s.%s has no effect: %s", o.what, key, why)
	}
}

// checkTLS warns of TLS files that no connection will use.
func (l *loader) checkTLS(spec *object, e Endpoint) {
	if e.Transport.TLS != (TLSFiles{}) && e.URL.text != "" && !e.URL.TLS() {
		l.warnf(spec.keyAt("transport"), "use https in urlPathTemplate, or leave them out",
			"the TLS files of the transport have no effect over %s", e.URL.scheme())
	}
}

// lifetime is duration, where zero and less mean no limit.
func (o *object) lifetime(key string, fallback time.Duration) time.Duration {
	if s, n := o.scalar(key); n != nil && len(s) > 1 && s[0] == '-' {
		if _, err := ParseDuration(s[1:]); err == nil {
			return 0
		}
	}
	return o.duration(key, fallback)
}

// location returns the path of a file named by a key: plain, file:path or file:///path.
func (o *object) location(key string) string {
	s, n := o.scalar(key)
	if n == nil {
		return ""
	}
	path, err := localPath(s)
	if err != nil {
		o.l.errorf(n.at, "mount the file and give its path", "%s: %v", key, err)
		return ""
	}
	return path
}
