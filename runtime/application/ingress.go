package application

import (
	"fmt"
	"net"
	"strconv"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/ingress/generator"
	"github.com/stateway/stateway/runtime/ingress/playground"
	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/runtime/node"
)

func (b *builder) ingress(in *module.Ingress) error {
	part := node.Ingress{ID: in.ID.String()}
	switch spec := in.Spec.(type) {
	case *module.PlaygroundIngress:
		part.Open = b.playgroundIngress(spec)
	case *module.GeneratorIngress:
		opts := b.generatorOptions(in.ID.String(), spec)
		part.Open = func() (ingress.Ingress, error) { return generator.Open(opts) }
	case *module.KinesisIngress:
		part.Open = b.kinesisIngress(in.ID.String(), spec)
	default:
		return fmt.Errorf("%s: ingress %s: no driver for kind %s", in.At, in.ID, in.Kind)
	}
	b.parts.Ingresses = append(b.parts.Ingresses, part)
	return nil
}

func (b *builder) playgroundIngress(spec *module.PlaygroundIngress) func() (ingress.Ingress, error) {
	return func() (ingress.Ingress, error) {
		in, err := playground.Open(playground.Options{
			Addr: net.JoinHostPort(b.opt.Host, strconv.Itoa(spec.Port)), Lanes: b.opt.Workers, Log: b.opt.Log,
			Known: func(t core.FunctionType) bool {
				_, ok := b.parts.EndpointOf(t)
				return ok
			},
		})
		if err != nil {
			return nil, err
		}
		b.opt.Log.Info("playground ingress listens", "address", in.Addr().String())
		return in, nil
	}
}

// generatorKinds maps what a module calls the content of values to what the driver calls it.
var generatorKinds = map[module.GeneratorValueKind]generator.Kind{
	module.GenerateSequence:  generator.Sequence,
	module.GenerateTimestamp: generator.Timestamp,
	module.GenerateBytes:     generator.Bytes,
	module.GenerateText:      generator.Text,
}

func (b *builder) generatorOptions(id string, spec *module.GeneratorIngress) generator.Options {
	opts := generator.Options{
		Partitions: spec.Partitions, Seed: uint64(spec.Seed), //nolint:gosec // any bits will do
		Prefix: spec.IDPrefix, IDs: spec.IDCount, Rate: spec.Rate, Count: spec.Count,
		Value: generatorKinds[spec.Value.Kind], Size: spec.Value.Bytes, Text: spec.Value.Text,
		ValueType: spec.ValueType, Targets: functionTypes(spec.To),
	}
	if routers := b.opt.Routers[id]; len(routers) > 0 {
		opts.Targets = nil
		opts.Router = ingress.Chain(routers...)
	}
	return opts
}
