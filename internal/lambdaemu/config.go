package lambdaemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// MaxPayload is the largest request and the largest answer, in bytes.
const MaxPayload = 6 << 20

// Handler is a function within this process. It may be called by as many goroutines as there are environments. ctx ends at the
// function's time-out, also for a handler that runs on. A panic ends its environment, as does an *Exit.
type Handler func(ctx context.Context, payload []byte) ([]byte, error)

// Exit is what a Handler returns to say that its process has ended.
type Exit struct {
	Type   string // of the error; empty means Runtime.ExitError
	Reason string // such as "exit status 1"; out of memory it is "signal: killed"
}

// Error says why.
func (e *Exit) Error() string { return "Runtime exited with error: " + e.Reason }

// Function describes a function. It has either a Command or a Handler.
type Function struct {
	Name string
	// Command starts the bootstrap, which speaks the Runtime API, in the folder Dir.
	Command []string
	Dir     string
	// Env is added to what Lambda sets, and to this process's PATH and HOME.
	Env []string
	// HandlerName is what the bootstrap finds as _HANDLER. Empty means "bootstrap".
	HandlerName string
	Handler     Handler

	// Timeout bounds an invocation. Zero means 3 s.
	Timeout time.Duration
	// Memory bounds what the processes of an environment hold, in MiB; beyond it they are killed. Zero means 128. Only on Linux, and
	// looked at ten times a second; a Handler is never bounded.
	Memory int
	// Reserved is how many environments may work at a time. Zero means as many as the account allows, a negative number none.
	Reserved int
	// Start is what a cold start takes besides starting the process.
	Start time.Duration
	// Idle is how long an environment without work is kept. Zero means five minutes.
	Idle time.Duration
	// Freeze stops the processes of an environment while it has no work. Only on Unix.
	Freeze bool
	// KeepRunning lets an environment go on for so long after its invocation has timed out, as a caller sees it whose own patience ended
	// first. Zero ends it at once, as Lambda does. A Handler goes on in any case.
	KeepRunning time.Duration
}

// Config describes an Emulator. The zero value of a field means its default.
type Config struct {
	Functions []Function
	// Concurrency is how many environments of all functions may work at a time. Zero means 1,000.
	Concurrency int
	// Ramp is how many environments each function may start at once; as many more become possible in the course of RampEvery. Zero
	// means 1,000 and 10 s.
	Ramp      int
	RampEvery time.Duration
	// Log takes what functions write and a line for each invocation. Nil means nothing.
	Log io.Writer
	// Fault, if set, says what befalls an invocation. The number counts the invocations from 1.
	Fault func(function string, n uint64) Fault
}

// Fault is what befalls an invocation. The zero Fault is none.
type Fault struct {
	// Wait is how long the request is held up before anything else happens.
	Wait time.Duration
	// Status, if not zero, is answered without the function being run, with the error code and the message.
	Status        int
	Code, Message string
	// Reason and RetryAfter (seconds) are further fields of a TooManyRequestsException.
	Reason     string
	RetryAfter string
	// Lose ends the connection in place of an answer, after the function was run.
	Lose bool
	// Twice runs the function twice at the same time; the answer of the first counts.
	Twice bool
}

const (
	defaultTimeout     = 3 * time.Second
	defaultMemory      = 128
	defaultIdle        = 5 * time.Minute
	defaultConcurrency = 1000
	defaultRamp        = 1000
	defaultRampEvery   = 10 * time.Second
	initTimeout        = 10 * time.Second
)

func (f Function) withDefaults() Function {
	or(&f.Timeout, defaultTimeout)
	or(&f.Memory, defaultMemory)
	or(&f.Idle, defaultIdle)
	or(&f.HandlerName, "bootstrap")
	return f
}

func (c Config) withDefaults() Config {
	or(&c.Concurrency, defaultConcurrency)
	or(&c.Ramp, defaultRamp)
	or(&c.RampEvery, defaultRampEvery)
	if c.Log == nil {
		c.Log = io.Discard
	}
	if c.Fault == nil {
		c.Fault = func(string, uint64) Fault { return Fault{} }
	}
	return c
}

func or[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// validate reports all that is wrong at once.
func (c Config) validate() error {
	var errs []error
	names := map[string]bool{}
	for _, f := range c.Functions {
		switch {
		case f.Name == "":
			errs = append(errs, errors.New("a function has no name"))
		case names[f.Name]:
			errs = append(errs, fmt.Errorf("function %s is there twice", f.Name))
		case (len(f.Command) > 0) == (f.Handler != nil):
			errs = append(errs, fmt.Errorf("function %s: want either a command or a handler", f.Name))
		}
		if f.Timeout < 0 || f.Memory < 0 || f.Start < 0 || f.Idle < 0 || f.KeepRunning < 0 {
			errs = append(errs, fmt.Errorf("function %s: times and memory must not be negative", f.Name))
		}
		names[f.Name] = true
	}
	if c.Concurrency < 0 || c.Ramp < 0 || c.RampEvery < 0 {
		errs = append(errs, errors.New("concurrency and ramp must not be negative"))
	}
	return errors.Join(errs...)
}
