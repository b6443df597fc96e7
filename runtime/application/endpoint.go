package application

import (
	"fmt"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/runtime/node"
)

func (b *builder) endpoint(e *module.Endpoint) error {
	part := node.Endpoint{Core: core.Endpoint{
		Name:     e.Functions.String(),
		MaxBatch: e.MaxNumBatchRequests,
		Call:     core.Millis(e.Transport.Call.Milliseconds()),
		Retry: core.Retry{
			Initial: core.Millis(e.Retry.Initial.Milliseconds()), Max: core.Millis(e.Retry.Max.Milliseconds()),
			Multiplier: e.Retry.Multiplier, Jitter: e.Retry.Jitter, MaxAttempts: e.Retry.MaxAttempts,
		},
	}}
	if e.OnFailure == module.OnFailureDeadLetter {
		id, err := b.egressID(e.DeadLetter.Egress)
		if err != nil {
			return fmt.Errorf("%s: deadLetter of endpoint %s: %w", e.At, e.Functions, err)
		}
		part.Core.OnFailure, part.Core.DeadLetter = core.DeadLetter, id
		part.Core.Retain = core.Millis(e.DeadLetter.Retain.Milliseconds())
	}
	var err error
	switch e.Kind {
	case module.KindHTTPv1, module.KindHTTPv2, module.KindKnative:
		if e.Group.Used() {
			part.Open = b.cloudEventsEndpoint(e, part.Core.Retry)
		} else {
			part.Open = b.httpEndpoint(e, part.Core.Retry)
		}
	case module.KindLambda:
		part.Open = b.lambdaEndpoint(e, part.Core.Retry)
	case module.KindEmbedded:
		part.Open, err = b.embeddedEndpoint(e, part.Core.Retry)
	default:
		err = fmt.Errorf("%s: endpoint %s: no driver for kind %s", e.At, e.Functions, e.Kind)
	}
	b.parts.Endpoints = append(b.parts.Endpoints, part)
	return err
}
