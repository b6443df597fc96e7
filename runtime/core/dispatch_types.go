package core

// Result is the outcome of one try, on its way back to the worker that made it.
type Result struct {
	Invocation *Invocation
	Outcome    Outcome
}

// DispatchEventKind says what a DispatchEvent is.
type DispatchEventKind uint8

const (
	// DispatchSubmit: a worker hands over Invocation.
	DispatchSubmit DispatchEventKind = iota
	// DispatchAnswered: the transport is done with Invocation; Outcome tells how.
	DispatchAnswered
	// DispatchTick: it is Now. A driver puts one before the events of a batch, and one when a wake is due.
	DispatchTick
	// DispatchForget: invocations of generations below Generation are given up; no result of theirs is delivered.
	DispatchForget
)

// DispatchEvent is one event for a Dispatcher. It is flat, so that a batch of them needs no allocation.
type DispatchEvent struct {
	Kind       DispatchEventKind
	Invocation *Invocation
	Outcome    Outcome
	Now        Millis
	Generation Generation
}

// DispatchEffectKind says what a DispatchEffect is.
type DispatchEffectKind uint8

const (
	// DispatchSend: hand Invocation to the transport; DispatchAnswered answers.
	DispatchSend DispatchEffectKind = iota
	// DispatchDeliver: hand Result to the worker that made the try.
	DispatchDeliver
	// DispatchWindow: all workers together should have at most Window invocations submitted.
	DispatchWindow
	// DispatchWake: send a tick at At, or sooner. It replaces the wake told before.
	DispatchWake
)

// DispatchEffect is one effect of a Dispatcher.
type DispatchEffect struct {
	Kind       DispatchEffectKind
	Invocation *Invocation // of DispatchSend
	Result     Result      // of DispatchDeliver
	Window     int
	At         Millis
}
