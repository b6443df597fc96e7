package core

// Result is the outcome of one try, on its way back to the worker that made it.
type Result struct {
	Invocation *Invocation
	Outcome    Outcome
}
