package core

import "fmt"

// Checker refuses answers that could never be applied, as far as that can be told without the worker: targets and egresses that do not
// exist, values that an egress does not take, states that the try did not carry. An endpoint asks it before its dispatcher sees the
// answer, so that a deployment all of whose answers are refused counts as the endpoint's trouble. Safe for concurrent use.
type Checker struct {
	app      *Application
	egresses map[string]*Egress
}

// NewChecker makes the Checker of an application, which must not change any more.
func NewChecker(app *Application) *Checker {
	c := &Checker{app: app, egresses: map[string]*Egress{}}
	for i := range app.Egresses {
		c.egresses[app.Egresses[i].Name] = &app.Egresses[i]
	}
	return c
}

// Check says why the answer to a try cannot be applied; nil if nothing speaks against it. Of an answer that was checked
// before it says nothing again.
func (c *Checker) Check(inv *Invocation, resp *Response) error {
	if resp.checked || resp.Incomplete {
		return nil
	}
	for i := range resp.Messages {
		if err := c.target(resp.Messages[i].Target); err != nil {
			return fmt.Errorf("outgoing message %d: %w", i+1, err)
		}
	}
	for i := range resp.Delayed {
		if err := c.delayed(&resp.Delayed[i]); err != nil {
			return fmt.Errorf("delayed message %d: %w", i+1, err)
		}
	}
	for i := range resp.Egresses {
		if err := c.Egress(&resp.Egresses[i]); err != nil {
			return fmt.Errorf("egress record %d: %w", i+1, err)
		}
	}
	for i := range resp.Mutations {
		if name := resp.Mutations[i].Name; !inv.carries(name) {
			return undeclared(name)
		}
	}
	resp.checked = true
	return nil
}

func (c *Checker) target(a Address) error {
	if _, ok := c.app.EndpointOf(a.Type); !ok {
		return fmt.Errorf("no endpoint serves function type %s", a.Type)
	}
	return nil
}

func (c *Checker) delayed(d *Delayed) error {
	if d.Cancel {
		if d.Token == "" {
			return fmt.Errorf("a cancellation without a token")
		}
		return nil
	}
	if d.Delay < 0 {
		return fmt.Errorf("a delay of %d ms is below zero", d.Delay)
	}
	return c.target(d.Target)
}

// Egress says why a record cannot go to the egress that it names; nil if it can.
func (c *Checker) Egress(r *EgressRecord) error {
	e := c.egresses[r.Egress]
	if e == nil {
		return fmt.Errorf("there is no egress %s", r.Egress)
	}
	if e.Validate == nil {
		return nil
	}
	if err := e.Validate(r.Typename, r.Arg); err != nil {
		return fmt.Errorf("for egress %s: %w", r.Egress, err)
	}
	return nil
}

func undeclared(state string) error {
	return fmt.Errorf("a change of state %q, which the function has not declared", state)
}
