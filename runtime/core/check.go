package core

import (
	"errors"
	"fmt"
)

// Checker refuses answers that could never be applied, as far as that can be told without the worker: targets and egresses that do not
// exist, values that an egress does not take, states that the try did not carry, or that had another type when it was made. An endpoint asks it
// before its dispatcher sees the answer, so that a deployment all of whose answers are refused counts as the endpoint's trouble. Safe for concurrent use.
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
	if resp.checked {
		return nil
	}
	if resp.Incomplete {
		return checkMissing(inv, resp.Missing)
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
		if err := checkMutation(inv, &resp.Mutations[i]); err != nil {
			return err
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

// checkMissing checks the states that an answer asks for against those that the try carried, and those known when it was made.
func checkMissing(inv *Invocation, missing []StateSpec) error {
	if err := checkSpecs(missing); err != nil {
		return err
	}
	for i := range missing {
		if err := sameType(specOf(inv.specs, missing[i].Name), &missing[i]); err != nil {
			return err
		}
	}
	if len(inv.States) == 0 {
		return nil // perhaps the first try of the process, whose answer may name none
	}
	return inv.asksForMore(missing)
}

// sameType refuses that a function declares a state as of another type than before. Old is nil if it was not known.
func sameType(old, declared *StateSpec) error {
	if old == nil || old.Typename == declared.Typename {
		return nil
	}
	return fmt.Errorf("state %q is of type %s, and the function now declares it as %s: use another name for it",
		old.Name, old.Typename, declared.Typename)
}

// asksForMore refuses an answer that asks for no state that the try did not carry.
func (inv *Invocation) asksForMore(missing []StateSpec) error {
	for i := range missing {
		if !inv.carries(missing[i].Name) {
			return nil
		}
	}
	if len(missing) == 0 {
		return errors.New("the function says that states are missing and names none")
	}
	return fmt.Errorf("the function asks for states that it was given, %q among them", missing[0].Name)
}

func checkMutation(inv *Invocation, m *Mutation) error {
	if !inv.carries(m.Name) {
		return undeclared(m.Name)
	}
	spec := specOf(inv.specs, m.Name)
	if spec == nil {
		return nil // the worker tells
	}
	return rightType(spec, m)
}

// rightType refuses a value that is not of its state's type.
func rightType(spec *StateSpec, m *Mutation) error {
	if m.Delete || m.Typename == spec.Typename || (m.Typename == "" && spec.Typename == unsetType) {
		return nil
	}
	return fmt.Errorf("a value of type %s for state %q, which is of type %s", m.Typename, m.Name, spec.Typename)
}
