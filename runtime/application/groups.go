package application

import (
	"github.com/stateway/stateway/faas/cloudevents"
	"github.com/stateway/stateway/faas/endpoint"
	"github.com/stateway/stateway/faas/group"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/runtime/node"
)

// groupTransport makes what sends groups to one address, which is empty where the endpoint has one only.
type groupTransport func(env node.CallerEnv, address string, done func([]endpoint.GroupResult)) (endpoint.GroupTransport, error)

// groupOptions say how an endpoint's functions are sent to in groups.
type groupOptions struct {
	name   string // for the log
	groups core.GroupDispatcherConfig
	price  endpoint.Price
	// address is where a function type's requests go; nil if all go to one.
	address func(core.FunctionType) (string, error)
	open    groupTransport
}

// grouped puts a dispatcher of groups before a transport, or one for each address.
func (b *builder) grouped(o groupOptions) opener {
	return func(env node.CallerEnv) (node.Caller, error) {
		open := func(name, address string, deliver func([]core.Result), window func(int)) (*endpoint.Groups, error) {
			cfg := endpoint.Config{
				Groups: o.groups, Now: env.Now, Deliver: deliver, Window: window, Check: env.Check, Trouble: b.trouble(name), Price: o.price,
			}
			cfg.Groups.Seed = uint64(env.Now()) //nolint:gosec // any bits will do
			return endpoint.NewGroups(cfg, func(done func([]endpoint.GroupResult)) (endpoint.GroupTransport, error) {
				return o.open(env, address, done)
			})
		}
		if o.address == nil {
			return open(o.name, "", env.Deliver, env.Window)
		}
		t, err := o.open(env, "", func([]endpoint.GroupResult) {}) // whatever is wrong shows now, and not with the first message
		if err != nil {
			return nil, err
		}
		t.Close()
		return endpoint.NewRouter(endpoint.RouterConfig{
			Route: o.address, Deliver: env.Deliver, Window: env.Window,
			Open: func(address string, deliver func([]core.Result), window func(int)) (*endpoint.Groups, error) {
				return open(o.name+" at "+address, address, deliver, window)
			},
		}), nil
	}
}

// newGroupOptions are what all kinds of endpoints have in common.
func newGroupOptions(e *module.Endpoint, retry core.Retry) groupOptions {
	return groupOptions{
		name: e.Functions.String(), groups: groupsOf(&e.Group, retry),
		price: endpoint.Price{Request: e.Group.Price.Request, Second: e.Group.Price.Second()},
	}
}

// groupsOf are the settings of an endpoint's dispatchers.
func groupsOf(g *module.Group, retry core.Retry) core.GroupDispatcherConfig {
	return core.GroupDispatcherConfig{
		MaxItems: g.MaxItems, MaxBytes: g.MaxBytes, Concurrency: g.Concurrency,
		Ramp: g.Ramp, RampEvery: core.Millis(g.RampEvery.Milliseconds()),
		Linger: core.Millis(g.Linger.Milliseconds()), Target: core.Millis(g.Target.Milliseconds()),
		Retry: retry,
	}
}

// atMost is size, and for what is larger than a group should be the size of a whole one: it travels alone, and whether it can be sent,
// its transport and the endpoint know.
func atMost(group int, size func(*core.Invocation) int) func(*core.Invocation) int {
	return func(inv *core.Invocation) int { return min(size(inv), group) }
}

// cloudEventsEndpoint is one whose servers may take groups over HTTP.
func (b *builder) cloudEventsEndpoint(e *module.Endpoint, retry core.Retry) opener {
	o := newGroupOptions(e, retry)
	o.groups.StartItems, o.groups.Size = 1, atMost(o.groups.MaxBytes, cloudevents.Size)
	if size := e.Transport.PoolSize; size > 0 {
		o.groups.Concurrency = min(o.groups.Concurrency, size)
	}
	cfg := cloudevents.Config{HTTP: httpConfig(e), Patience: e.ColdStart.Patience, Idle: e.ColdStart.Idle}
	cfg.HTTP.HTTP2 = e.Kind == module.KindKnative && e.Transport.HTTP2
	o.open = func(env node.CallerEnv, _ string, done func([]endpoint.GroupResult)) (endpoint.GroupTransport, error) {
		own := cfg
		own.HTTP.Now, own.Source = env.Now, group.Source(env.Application)
		return cloudevents.New(own, done)
	}
	if e.URL.PerFunction() && e.Functions.Wildcard() {
		o.address = func(t core.FunctionType) (string, error) {
			target, err := e.URL.Resolve(t.Name())
			if err != nil {
				return "", err
			}
			return target.Network + "://" + target.Address + target.RequestURI, nil
		}
	}
	open := b.grouped(o)
	return func(env node.CallerEnv) (node.Caller, error) {
		c, err := open(env)
		if err == nil {
			b.opt.Log.Info("endpoint", "functions", o.name, "url", e.URL.String(), "groups", true)
		}
		return c, err
	}
}
