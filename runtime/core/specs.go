package core

import "encoding/binary"

// ExpireMode says from when a state's time to live counts.
type ExpireMode uint8

// The modes of io.statefun.sdk.reqreply.ExpirationSpec.
const (
	ExpireNever ExpireMode = iota
	ExpireAfterWrite
	ExpireAfterInvoke
)

// StateSpec is what a function type declares of one of its states.
type StateSpec struct {
	Name     string
	Typename string
	Mode     ExpireMode
	TTL      Millis // positive unless Mode is ExpireNever
}

// over reports whether the time to live of a value that was last written or used at access is over. The sum of access
// and TTL may not fit a Millis.
func (st *StateSpec) over(access, now Millis) bool { return now-access >= st.TTL }

// Specs are the states of a function type in the order in which they were declared. Learned is the
// core's time of the answer that declared them: among several shards' rows the newest counts.
type Specs struct {
	Learned Millis
	States  []StateSpec
}

// AppendSpecs appends the value of a specs row.
func AppendSpecs(b []byte, s Specs) []byte {
	b = appendMillis(b, s.Learned)
	b = binary.AppendUvarint(b, uint64(len(s.States)))
	for i := range s.States {
		st := &s.States[i]
		b = appendString(b, st.Name)
		b = appendString(b, st.Typename)
		b = append(b, byte(st.Mode))
		b = appendMillis(b, st.TTL)
	}
	return b
}

// ParseSpecs reads the value of a specs row.
func ParseSpecs(value []byte) (Specs, error) {
	learned, rest, ok := cutUint64(value)
	n, w := binary.Uvarint(rest)
	if !ok || w <= 0 || n > uint64(len(rest)) {
		return Specs{}, rowError("state specs", value)
	}
	s := Specs{Learned: Millis(learned), States: make([]StateSpec, n)} //nolint:gosec // two's complement
	rest = rest[w:]
	for i := range s.States {
		if rest, ok = s.States[i].parse(rest); !ok {
			return Specs{}, rowError("state specs", value)
		}
	}
	if len(rest) != 0 {
		return Specs{}, rowError("state specs", value)
	}
	return s, nil
}

func (st *StateSpec) parse(b []byte) (rest []byte, ok bool) {
	if st.Name, b, ok = cutString(b); !ok {
		return nil, false
	}
	if st.Typename, b, ok = cutString(b); !ok || len(b) < 9 || b[0] > byte(ExpireAfterInvoke) {
		return nil, false
	}
	st.Mode = ExpireMode(b[0])
	ttl, b, _ := cutUint64(b[1:])
	st.TTL = Millis(ttl) //nolint:gosec // two's complement
	return b, true
}
