package wire

func (m *Mutation) parse(b []byte) error {
	s := scanner{rest: b, where: "PersistedValueMutation"}
	for {
		t, ok := s.next()
		if !ok {
			return s.err
		}
		switch t {
		case tag(1, wireVarint):
			m.Type = MutationType(s.varint()) //nolint:gosec // enums are 32 bits of the number
		case tag(2, wireBytes):
			m.Name = s.text()
		case tag(3, wireBytes):
			if err := m.Value.merge(s.bytes()); err != nil {
				return err
			}
		default:
			s.skip(t)
		}
	}
}

func (o *Outgoing) parse(b []byte) error {
	s := scanner{rest: b, where: "FromFunction.Invocation"}
	for {
		t, ok := s.next()
		if !ok {
			return s.err
		}
		var err error
		switch t {
		case tag(1, wireBytes):
			err = o.Target.merge(s.bytes())
		case tag(2, wireBytes):
			err = o.Argument.merge(s.bytes())
		default:
			s.skip(t)
		}
		if err != nil {
			return err
		}
	}
}

func (d *Delayed) parse(b []byte) error {
	s := scanner{rest: b, where: "DelayedInvocation"}
	for {
		t, ok := s.next()
		if !ok {
			return s.err
		}
		var err error
		switch t {
		case tag(1, wireVarint):
			d.Delay = int64(s.varint()) //nolint:gosec // int64 travels as two's complement
		case tag(2, wireBytes):
			err = d.Target.merge(s.bytes())
		case tag(3, wireBytes):
			err = d.Argument.merge(s.bytes())
		case tag(10, wireVarint):
			d.Cancel = s.varint() != 0
		case tag(11, wireBytes):
			d.Token = s.text()
		default:
			s.skip(t)
		}
		if err != nil {
			return err
		}
	}
}

func (e *EgressMessage) parse(b []byte) error {
	s := scanner{rest: b, where: "EgressMessage"}
	for {
		t, ok := s.next()
		if !ok {
			return s.err
		}
		switch t {
		case tag(1, wireBytes):
			e.Namespace = s.text()
		case tag(2, wireBytes):
			e.Type = s.text()
		case tag(3, wireBytes):
			if err := e.Argument.merge(s.bytes()); err != nil {
				return err
			}
		default:
			s.skip(t)
		}
	}
}

func (sp *Spec) parse(b []byte) error {
	s := scanner{rest: b, where: "PersistedValueSpec"}
	for {
		t, ok := s.next()
		if !ok {
			return s.err
		}
		switch t {
		case tag(1, wireBytes):
			sp.Name = s.text()
		case tag(2, wireBytes):
			if err := sp.mergeExpiration(s.bytes()); err != nil {
				return err
			}
		case tag(3, wireBytes):
			sp.Typename = s.text()
		default:
			s.skip(t)
		}
	}
}

func (sp *Spec) mergeExpiration(b []byte) error {
	s := scanner{rest: b, where: "ExpirationSpec"}
	for {
		t, ok := s.next()
		if !ok {
			return s.err
		}
		switch t {
		case tag(1, wireVarint):
			sp.Mode = ExpireMode(s.varint()) //nolint:gosec // enums are 32 bits of the number
		case tag(2, wireVarint):
			sp.Millis = int64(s.varint()) //nolint:gosec // int64 travels as two's complement
		default:
			s.skip(t)
		}
	}
}
