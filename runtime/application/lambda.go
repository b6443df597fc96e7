package application

import (
	"context"
	"fmt"
	"sync"

	"github.com/stateway/stateway/faas/endpoint"
	"github.com/stateway/stateway/faas/group"
	"github.com/stateway/stateway/faas/lambda"
	"github.com/stateway/stateway/internal/awsclient"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/runtime/node"
)

// lambdaEndpoint is one whose functions are on AWS Lambda.
func (b *builder) lambdaEndpoint(e *module.Endpoint, retry core.Retry) opener {
	f := &e.Lambda
	client := &lambdaClient{options: b.awsOptions(f.Region, f.RegionID(), f.Credentials, f.Connections)}
	o := newGroupOptions(e, retry)
	asker := group.Asker{Source: group.Source(core.ApplicationID{}), Call: e.Transport.Call} // all sources have the same length
	if o.groups.MaxBytes == f.RequestMaxBytes {
		o.groups.MaxBytes = lambda.GroupBytes(f.RequestMaxBytes)
	}
	o.groups.Size = atMost(o.groups.MaxBytes, lambda.Size(asker))
	resolve := func(name string) (string, error) {
		function, qualifier, err := f.Function.Resolve(name)
		if qualifier != "" {
			function += ":" + qualifier
		}
		return function, err
	}
	o.open = func(env node.CallerEnv, address string, done func([]endpoint.GroupResult)) (endpoint.GroupTransport, error) {
		c, err := client.open()
		if err != nil {
			return nil, err
		}
		if address == "" {
			if address, err = resolve(anyName(e.Functions)); err != nil {
				return nil, err
			}
		}
		own := asker
		own.Source = group.Source(env.Application)
		return lambda.New(lambda.Config{
			Client: c, Function: address, Asker: own, MaxRequest: f.RequestMaxBytes, MaxResponse: f.ResponseMaxBytes,
		}, done)
	}
	if f.Function.PerFunction() && e.Functions.Wildcard() {
		o.address = func(t core.FunctionType) (string, error) { return resolve(t.Name()) }
	}
	open := b.grouped(o)
	return func(env node.CallerEnv) (node.Caller, error) {
		c, err := open(env)
		if err != nil {
			return nil, fmt.Errorf("endpoint %s: %w", o.name, err)
		}
		b.opt.Log.Info("endpoint", "functions", o.name, "lambda", f.Function.String())
		return c, nil
	}
}

// anyName is a name that the pattern serves.
func anyName(p module.Pattern) string {
	if p.Wildcard() {
		return "function"
	}
	return p.Name
}

// lambdaClient is an endpoint's client, made when it is first opened and kept when it is opened again, with its connections.
type lambdaClient struct {
	options awsclient.Options

	mu     sync.Mutex
	client *lambda.Client // guarded by mu; nil until open has succeeded
}

func (c *lambdaClient) open() (*lambda.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client == nil {
		ctx, cancel := context.WithTimeout(context.Background(), loadTime)
		defer cancel()
		client, err := lambda.NewClient(ctx, c.options)
		if err != nil {
			return nil, err
		}
		c.client = client
	}
	return c.client, nil
}
