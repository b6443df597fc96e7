package application

import (
	"net/http"
	"net/url"

	"github.com/stateway/stateway/faas/endpoint"
	faashttp "github.com/stateway/stateway/faas/http"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/runtime/node"
)

// opener opens an endpoint's caller.
type opener func(node.CallerEnv) (node.Caller, error)

// transport makes what sends an endpoint's invocations.
type transport func(env node.CallerEnv, done func([]core.Result)) (endpoint.Transport, error)

// dispatched puts a dispatcher before a transport.
func (b *builder) dispatched(name string, retry core.Retry, poolSize int, open transport) opener {
	return func(env node.CallerEnv) (node.Caller, error) {
		cfg := endpoint.Config{
			Dispatcher: core.DispatcherConfig{PoolSize: poolSize, Retry: retry, Seed: uint64(env.Now())}, //nolint:gosec // any bits will do
			Now:        env.Now, Deliver: env.Deliver, Window: env.Window, Check: env.Check, Trouble: b.trouble(name),
		}
		return endpoint.New(cfg, func(done func([]core.Result)) (endpoint.Transport, error) { return open(env, done) })
	}
}

// trouble logs when an endpoint's trouble begins and when it is over.
func (b *builder) trouble(name string) func(bool, string) {
	return func(begins bool, reason string) {
		if begins {
			b.opt.Log.Warn("endpoint in trouble: messages wait, and a few tries find out when it is over", "functions", name, "error", reason)
			return
		}
		b.opt.Log.Info("endpoint answers again", "functions", name)
	}
}

func (b *builder) httpEndpoint(e *module.Endpoint, retry core.Retry) opener {
	cfg := httpConfig(e)
	return b.dispatched(e.Functions.String(), retry, e.Transport.PoolSize, func(env node.CallerEnv, done func([]core.Result)) (endpoint.Transport, error) {
		cfg.Now = env.Now
		c, err := faashttp.New(cfg, done)
		if err != nil {
			return nil, err
		}
		b.opt.Log.Info("endpoint", "functions", e.Functions.String(), "url", e.URL.String())
		return c, nil
	})
}

// httpConfig is how an endpoint of the module is spoken to.
func httpConfig(e *module.Endpoint) faashttp.Config {
	t := &e.Transport
	cfg := faashttp.Config{
		URL: e.URL.String(), Call: t.Call, Connect: t.Connect, Read: t.Read, Write: t.Write,
		PoolSize: t.PoolSize, PoolTTL: t.PoolTTL, PayloadMaxBytes: t.PayloadMaxBytes,
		TrustCACerts: t.TLS.TrustCACerts, ClientCert: t.TLS.ClientCert,
		ClientKey: t.TLS.ClientKey, ClientKeyPassword: t.TLS.ClientKeyPassword,
		Proxy: proxyFor(e.URL.String()),
	}
	if t.PoolTTL == 0 {
		cfg.PoolTTL = -1
	}
	if t.Type == module.TransportOKHTTP {
		cfg.Transport = faashttp.OkHTTP
	}
	return cfg
}

// proxyFor is the HTTP proxy that the environment names for a URL; nil if none.
func proxyFor(raw string) *url.URL {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return nil
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	if err != nil {
		return nil
	}
	return proxy
}
