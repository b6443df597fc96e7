package lambdaemu

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"
)

// invocation is one request to a function.
type invocation struct {
	id      string
	arn     string
	payload []byte
	env     environment // set before the environment has it
	began   time.Time   // when the function got it; zero before
	timer   *time.Timer // ends it at the function's time-out; nil before it began

	finished atomic.Bool
	answer   chan answer // one is sent
}

// answer is what an invocation led to.
type answer struct {
	payload []byte
	failed  bool // it is a function error, and payload says which
}

func newInvocation(id, arn string, payload []byte) *invocation {
	return &invocation{id: id, arn: arn, payload: payload, answer: make(chan answer, 1)}
}

// claim makes the caller the one who answers. It reports false if somebody else has.
func (i *invocation) claim() bool { return i.finished.CompareAndSwap(false, true) }

// functionError is the body of a function error.
func functionError(kind, message string) answer {
	body, err := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message})
	if err != nil {
		panic("lambdaemu: an error that is no JSON: " + err.Error())
	}
	return answer{payload: body, failed: true}
}

func timedOut(id string, after time.Duration) answer {
	return functionError("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", id, after.Seconds()))
}

func exited(id, kind, reason string) answer {
	if kind == "" {
		kind = "Runtime.ExitError"
	}
	text := "Runtime exited without providing a reason"
	if reason != "" {
		text = "Runtime exited with error: " + reason
	}
	return functionError(kind, "RequestId: "+id+" Error: "+text)
}

func answerTooLarge(size int) answer {
	return functionError("Function.ResponseSizeTooLarge",
		fmt.Sprintf("Response payload size (%d bytes) exceeded maximum allowed payload size (%d bytes).", size, MaxPayload))
}
