package core

import "fmt"

// funcType is what a worker knows of a function type.
type funcType struct {
	name     FunctionType
	endpoint EndpointID // negative if no endpoint serves it
	at       int        // of the worker's known types

	instances int // in memory
	ready     readyQueue
	queued    bool // among its endpoint's types that have ready instances

	specs   []StateSpec
	version int         // counts changes of specs
	learned Millis      // when they were
	asking  *Invocation // the first of this process, which left the states out; nil if none is under way
	asked   bool        // it was answered
	stats   *TypeStats
}

// maxAsks bounds incomplete answers in a row for one Address.
const maxAsks = 16

// maxStates bounds the states of a function type. Every request carries them all.
const maxStates = 1024

var errTooManyStates = fmt.Errorf("the function declares more than %d states: keep many values in one state", maxStates)

func (w *Worker) typeOf(name FunctionType) *funcType {
	if t := w.types[name]; t != nil {
		return t
	}
	if len(w.known) >= maxIdleTypes {
		w.forgetTypes()
	}
	t := &funcType{name: name, endpoint: -1, at: len(w.known), stats: w.statsOf(name)}
	if id, ok := w.cfg.App.EndpointOf(name); ok {
		t.endpoint = id
	}
	w.types[name] = t
	w.known = append(w.known, t)
	return t
}

func (t *funcType) spec(name string) *StateSpec { return specOf(t.specs, name) }

// specOf is what is declared of a state, nil if it is not.
func specOf(specs []StateSpec, name string) *StateSpec {
	for i := range specs {
		if specs[i].Name == name {
			return &specs[i]
		}
	}
	return nil
}

// restoreSpecs takes what a shard's row says of a type; among several shards' the newest counts.
func (w *Worker) restoreSpecs(sh *shard, name FunctionType, s Specs) {
	t := w.typeOf(name)
	if t.version == 0 || s.Learned > t.learned {
		t.specs, t.learned = s.States, s.Learned
		t.version++
		w.noteSweepable(t)
	}
	sh.specs[name] = &specsRow{typ: name, specs: s}
	if s.Learned == t.learned {
		sh.versions[name] = t.version
	}
}

// learn takes an incomplete answer. A problem makes it a failed invocation.
func (w *Worker) learn(in *instance, inv *Invocation, missing []StateSpec) error {
	in.asks++
	if in.asks > maxAsks {
		return fmt.Errorf("the function asked for more states %d times in a row", maxAsks)
	}
	if err := checkSpecs(missing); err != nil {
		return err
	}
	t := in.typ
	for i := range missing {
		if err := sameType(t.spec(missing[i].Name), &missing[i]); err != nil {
			return err
		}
	}
	if t.asking == inv {
		w.replaceSpecs(t, missing)
		return nil
	}
	return w.addSpecs(t, inv, missing)
}

func checkSpecs(specs []StateSpec) error {
	if len(specs) > maxStates {
		return errTooManyStates
	}
	for i := range specs {
		s := &specs[i]
		if s.Name == "" {
			return fmt.Errorf("a declared state has no name")
		}
		if s.Mode > ExpireAfterInvoke || (s.Mode != ExpireNever && s.TTL <= 0) {
			return fmt.Errorf("state %q: its time to live of %d ms must be positive", s.Name, s.TTL)
		}
		for j := range i {
			if specs[j].Name == s.Name {
				return fmt.Errorf("state %q is declared twice", s.Name)
			}
		}
	}
	return nil
}

// replaceSpecs takes the answer to the first invocation of the process, which named every state.
func (w *Worker) replaceSpecs(t *funcType, specs []StateSpec) {
	t.asking, t.asked = nil, true
	if t.version > 0 && equalSpecs(t.specs, specs) {
		return
	}
	t.specs, t.learned = append([]StateSpec(nil), specs...), w.now
	t.version++
	w.noteSweepable(t)
}

func equalSpecs(a, b []StateSpec) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// addSpecs takes the answer to an invocation that carried the states known when it was made.
func (w *Worker) addSpecs(t *funcType, inv *Invocation, missing []StateSpec) error {
	if err := inv.asksForMore(missing); err != nil {
		return err
	}
	specs := append([]StateSpec(nil), t.specs...)
	for i := range missing {
		if t.spec(missing[i].Name) == nil {
			specs = append(specs, missing[i])
		}
	}
	if len(specs) > maxStates {
		return errTooManyStates
	}
	if len(specs) > len(t.specs) {
		t.specs, t.learned = specs, w.now
		t.version++
		w.noteSweepable(t)
	}
	return nil
}

func (inv *Invocation) carries(state string) bool {
	for i := range inv.States {
		if inv.States[i].Name == state {
			return true
		}
	}
	return false
}

// keepSpecs gives the shard the row that says what its values' types and lives are.
func (sh *shard) keepSpecs(t *funcType) {
	if sh.versions[t.name] == t.version {
		return
	}
	sh.versions[t.name] = t.version
	specs := Specs{Learned: t.learned, States: t.specs}
	row := sh.specs[t.name]
	if row != nil && sh.open != nil && row.row.epoch == sh.open.Epoch {
		row.specs = specs
		return
	}
	row = &specsRow{typ: t.name, specs: specs}
	sh.specs[t.name] = row
	sh.put(&row.row, row, int64(64*(1+len(specs.States))))
}

func (w *Worker) noteSweepable(t *funcType) {
	for i := range t.specs {
		if t.specs[i].Mode != ExpireNever {
			w.sweepable = true
		}
	}
}
