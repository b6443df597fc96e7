package application

import (
	faashttp "github.com/stateway/stateway/faas/http"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/runtime/node"
)

type caller struct{ c *faashttp.Client }

func (c caller) Submit(t []*core.Invocation) { c.c.Send(t) }
func (c caller) Close() error                { c.c.Close(); return nil }

func (b *builder) httpEndpoint(e *module.Endpoint, _ core.Endpoint) func(func([]core.Result), func(int)) (node.Caller, error) {
	return func(deliver func([]core.Result), window func(int)) (node.Caller, error) {
		c, err := faashttp.New(faashttp.Config{URL: e.URL.String()}, deliver)
		return caller{c}, err
	}
}

func (b *builder) embeddedEndpoint(*module.Endpoint, core.Endpoint) (func(func([]core.Result), func(int)) (node.Caller, error), error) {
	return nil, nil
}

type Function struct{}
