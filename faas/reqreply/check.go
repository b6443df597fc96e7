package reqreply

import "github.com/stateway/stateway/runtime/core"

// Check refuses a response that was made in this process and breaks a rule that ParseAnswer would have refused. The
// error is an *Error.
func Check(r *core.Response) error {
	if r.Incomplete && len(r.Missing) == 0 {
		return refuse("the function lacks states but names none")
	}
	for i := range r.Missing {
		if s := &r.Missing[i]; s.Name == "" || s.Typename == "" || s.Mode > core.ExpireAfterInvoke || (s.Mode != core.ExpireNever && s.TTL <= 0) {
			return refuse("missing state %d is no valid state: %+v", i, *s)
		}
	}
	for i := range r.Messages {
		if r.Messages[i].Target.Type.Name() == "" {
			return refuse("outgoing message %d has no function as its target: %q", i, r.Messages[i].Target.Type)
		}
	}
	for i := range r.Delayed {
		switch d := &r.Delayed[i]; {
		case d.Cancel && d.Token == "":
			return refuse("delayed message %d is a cancellation without a token", i)
		case !d.Cancel && d.Delay < 0:
			return refuse("delayed message %d has a negative delay: %d ms", i, d.Delay)
		case !d.Cancel && d.Target.Type.Name() == "":
			return refuse("delayed message %d has no function as its target: %q", i, d.Target.Type)
		}
	}
	for i := range r.Mutations {
		if r.Mutations[i].Name == "" {
			return refuse("state mutation %d has no state name", i)
		}
	}
	return nil
}
