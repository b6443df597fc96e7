package endpoint

import "github.com/stateway/stateway/runtime/core"

// outbox is what a batch of events has led to; the transport is sent S.
type outbox[S any] struct {
	window  int // zero: as it was
	sends   []*S
	results []core.Result
}

// put takes an effect. Wakes are left to the loop.
func (o *outbox[S]) put(kind core.DispatchEffectKind, send *S, result *core.Result, window int) {
	switch kind {
	case core.DispatchSend:
		o.sends = append(o.sends, send)
	case core.DispatchDeliver:
		o.results = append(o.results, *result)
	case core.DispatchWindow:
		o.window = window
	case core.DispatchWake:
	}
}

// empty hands on what there is.
func (o *outbox[S]) empty(cfg *Config, send func([]*S)) {
	if o.window > 0 {
		cfg.Window(o.window)
	}
	if len(o.sends) > 0 {
		send(o.sends)
	}
	if len(o.results) > 0 {
		cfg.Deliver(o.results)
	}
	o.window, o.sends, o.results = 0, emptied(o.sends), emptied(o.results)
}

const roomKept = 8192 // events or effects of a batch; a larger one's room is given back

// emptied is the room of s for the next batch.
func emptied[T any](s []T) []T {
	if cap(s) > roomKept {
		return nil
	}
	clear(s)
	return s[:0]
}
