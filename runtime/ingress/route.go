package ingress

import (
	"fmt"

	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/runtime/core"
)

// Record is one record of a partition before it is routed.
type Record struct {
	Key      string // becomes the target's id
	Typename string // of Value: the declared valueType
	Value    []byte // the payload as read, unmodified
	Dedupe   string // empty if repeats cannot be told
	// Trace is the trace context that the record carries, nil if it has none.
	Trace *trace.Context
}

// Router turns a record into messages and appends them to out: none to drop the record, several to
// fan out. It is called from one goroutine per partition, possibly many at a time, and again for the
// same record after a restore, so it must depend on nothing but the record. It does not keep rec.Value,
// though the messages' arguments may. An error holds the partition (ErrHeld).
type Router func(rec Record, out []*core.Message) ([]*core.Message, error)

// Targets is the Router of module.yaml: one message for each target, in list order, with the
// record's key as id and its payload unmodified.
func Targets(targets ...core.FunctionType) Router {
	return func(rec Record, out []*core.Message) ([]*core.Message, error) {
		if rec.Key == "" {
			return out, fmt.Errorf("record of type %s has no key: it cannot become an id", rec.Typename)
		}
		arg := EncodeValue(rec.Typename, rec.Value)
		for _, t := range targets {
			out = append(out, &core.Message{Target: core.Address{Type: t, ID: rec.Key}, Arg: arg, Dedupe: rec.Dedupe, Trace: rec.Trace})
		}
		return out, nil
	}
}

// Chain calls the routers in order and appends what each of them makes.
func Chain(routers ...Router) Router {
	return func(rec Record, out []*core.Message) ([]*core.Message, error) {
		var err error
		for _, r := range routers {
			if out, err = r(rec, out); err != nil {
				return out, err
			}
		}
		return out, nil
	}
}
