package wire

// Address is a function instance.
type Address struct {
	Namespace string
	Type      string
	ID        string
}

func (a *Address) size() int {
	return sizeText(a.Namespace) + sizeText(a.Type) + sizeText(a.ID)
}

func (a *Address) append(b []byte, tag byte) []byte {
	b = append(b, tag)
	b = appendLen(b, a.size())
	b = appendText(b, 1<<3|wireBytes, a.Namespace)
	b = appendText(b, 2<<3|wireBytes, a.Type)
	return appendText(b, 3<<3|wireBytes, a.ID)
}

// merge reads one occurrence of an embedded Address into a.
func (a *Address) merge(b []byte) error {
	s := scanner{rest: b, where: "Address"}
	for {
		t, ok := s.next()
		if !ok {
			return s.err
		}
		switch t {
		case tag(1, wireBytes):
			a.Namespace = s.text()
		case tag(2, wireBytes):
			a.Type = s.text()
		case tag(3, wireBytes):
			a.ID = s.text()
		default:
			s.skip(t)
		}
	}
}

// State is one state of the target. Value is nil when there is none.
type State struct {
	Name  string
	Value Raw
}

func (st *State) size() int {
	n := sizeText(st.Name)
	if st.Value != nil {
		n += sizeMessage(len(st.Value))
	}
	return n
}

// Invocation is one message for the target.
type Invocation struct {
	HasCaller bool // false for a message from an ingress
	Caller    Address
	Argument  Raw
}

func (in *Invocation) size() int {
	n := sizeMessage(len(in.Argument))
	if in.HasCaller {
		n += sizeMessage(in.Caller.size())
	}
	return n
}

// ToFunction is an invocation batch. The zero ToFunction can be filled, encoded, Reset and filled again.
type ToFunction struct {
	Target      Address
	States      []State
	Invocations []Invocation

	size int // of the InvocationBatchRequest, set by Size
}

// Reset empties f and keeps its room.
func (f *ToFunction) Reset() {
	clear(f.States) // hold no values of the last batch
	clear(f.Invocations)
	f.Target, f.States, f.Invocations = Address{}, f.States[:0], f.Invocations[:0]
}

// Size is the length of the encoding, in bytes. It must be called before Append.
func (f *ToFunction) Size() int {
	n := sizeMessage(f.Target.size())
	for i := range f.States {
		n += sizeMessage(f.States[i].size())
	}
	for i := range f.Invocations {
		n += sizeMessage(f.Invocations[i].size())
	}
	f.size = n
	return 2 + sizeLen(n)
}

// Append appends the encoding. Size must have been called since the last change.
func (f *ToFunction) Append(b []byte) []byte {
	b = append(b, 0xa2, 0x06) // field 100, length-delimited
	b = appendLen(b, f.size)
	b = f.Target.append(b, 1<<3|wireBytes)
	for i := range f.States {
		st := &f.States[i]
		b = append(b, 2<<3|wireBytes)
		b = appendLen(b, st.size())
		b = appendText(b, 1<<3|wireBytes, st.Name)
		if st.Value != nil {
			b = appendBytes(b, 2<<3|wireBytes, st.Value)
		}
	}
	for i := range f.Invocations {
		in := &f.Invocations[i]
		b = append(b, 3<<3|wireBytes)
		b = appendLen(b, in.size())
		if in.HasCaller {
			b = in.Caller.append(b, 1<<3|wireBytes)
		}
		b = appendBytes(b, 2<<3|wireBytes, in.Argument)
	}
	return b
}

// Parse reads a ToFunction into f, replacing what it held; f aliases b. A message without an invocation batch leaves
// f empty. Its error wraps ErrMalformed.
func (f *ToFunction) Parse(b []byte) error {
	f.Reset()
	s := scanner{rest: b, where: "ToFunction"}
	for {
		t, ok := s.next()
		if !ok {
			return s.err
		}
		if t != tag(100, wireBytes) {
			s.skip(t)
			continue
		}
		if err := f.mergeBatch(s.bytes()); err != nil {
			return err
		}
	}
}

func (f *ToFunction) mergeBatch(b []byte) error {
	s := scanner{rest: b, where: "InvocationBatchRequest"}
	for {
		t, ok := s.next()
		if !ok {
			return s.err
		}
		var err error
		switch t {
		case tag(1, wireBytes):
			err = f.Target.merge(s.bytes())
		case tag(2, wireBytes):
			f.States = append(f.States, State{})
			err = f.States[len(f.States)-1].parse(s.bytes())
		case tag(3, wireBytes):
			f.Invocations = append(f.Invocations, Invocation{})
			err = f.Invocations[len(f.Invocations)-1].parse(s.bytes())
		default:
			s.skip(t)
		}
		if err != nil {
			return err
		}
	}
}

func (st *State) parse(b []byte) error {
	s := scanner{rest: b, where: "PersistedValue"}
	for {
		t, ok := s.next()
		if !ok {
			return s.err
		}
		switch t {
		case tag(1, wireBytes):
			st.Name = s.text()
		case tag(2, wireBytes):
			v := s.bytes()
			if _, err := ParseTypedValue(v); err != nil {
				return err
			}
			st.Value = mergeRaw(st.Value, v)
		default:
			s.skip(t)
		}
	}
}

func (in *Invocation) parse(b []byte) error {
	s := scanner{rest: b, where: "Invocation"}
	for {
		t, ok := s.next()
		if !ok {
			return s.err
		}
		var err error
		switch t {
		case tag(1, wireBytes):
			in.HasCaller = true
			err = in.Caller.merge(s.bytes())
		case tag(2, wireBytes):
			v := s.bytes()
			in.Argument = mergeRaw(in.Argument, v)
			_, err = ParseTypedValue(v)
		default:
			s.skip(t)
		}
		if err != nil {
			return err
		}
	}
}
