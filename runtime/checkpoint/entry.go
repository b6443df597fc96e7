package checkpoint

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

const (
	entryMagic     = "stwylog\x02"
	entryClaim     = 1
	entryCommit    = 2
	entryDeparture = 3
	entryArrival   = 4
	maxContact     = 1024
)

// Entry is one object of the control log: a claim, a manifest, or one end of a move; one of them.
type Entry struct {
	Number Number
	// Age is time that has provably passed since the log began, measured by the leaders' own
	// monotonic clocks while they led, in whole milliseconds: never more than the real time, less by
	// the time in which nobody led. By it the log is kept for 24 hours, and no wall clock is trusted.
	Age      time.Duration
	Claim    *Claim
	Manifest *Manifest
	// Departure ends a log from which the application has moved.
	Departure *Move
	// Arrival begins a generation in a log to which the application moves.
	Arrival *Move
}

// Claim is how a process becomes leader. Its number is the generation that it begins.
type Claim struct {
	Nonce    uint64   // of the process, random
	DataDir  [16]byte // random id kept in the data directory; whoever locks that directory may claim at once
	Module   [32]byte // fingerprint of the application's module
	Time     core.Millis
	Contact  string // where other nodes reach the leader; empty if there are none
	Restores Number // the last manifest below the claim: the restore point; zero if there is none. Set by Reign.
}

func (e *Entry) encode(id core.ApplicationID) []byte {
	b := append([]byte(nil), entryMagic...)
	b = append(b, e.kind())
	b = append(b, id[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Number))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Age.Milliseconds())) //nolint:gosec // not negative
	switch {
	case e.Claim != nil:
		b = e.Claim.append(b)
	case e.Departure != nil:
		b = e.Departure.append(b)
	case e.Arrival != nil:
		b = e.Arrival.append(b)
	default:
		b = e.Manifest.append(b)
	}
	return appendCRC(b, 0)
}

func (e *Entry) kind() byte {
	switch {
	case e.Claim != nil:
		return entryClaim
	case e.Departure != nil:
		return entryDeparture
	case e.Arrival != nil:
		return entryArrival
	}
	return entryCommit
}

// decodeEntry reads the object key, which must be number n of the log of application id.
func decodeEntry(key string, b []byte, id core.ApplicationID, n Number) (*Entry, error) {
	d := sealed(key, b, entryMagic)
	kind := d.uint8("kind of entry")
	var got core.ApplicationID
	copy(got[:], d.take(16, "application id"))
	e := &Entry{Number: Number(d.uint64("log number"))}
	age := d.uint64("age")
	if d.err == nil && got != id {
		d.fail("it belongs to application %s, not to %s", got, id)
	}
	if d.err == nil && e.Number != n {
		d.fail("it is number %d of the log, not %d", e.Number, n)
	}
	if age > uint64(1<<62)/uint64(time.Millisecond) {
		d.fail("age of %d ms", age)
	}
	e.Age = time.Duration(age) * time.Millisecond //nolint:gosec // checked above
	switch {
	case d.err != nil:
	case kind == entryClaim:
		e.Claim = decodeClaim(d, n)
	case kind == entryCommit:
		e.Manifest = decodeManifest(d, n)
	case kind == entryDeparture:
		e.Departure = decodeMove(d, n)
	case kind == entryArrival:
		e.Arrival = decodeMove(d, n)
	default:
		d.fail("kind of entry %d is unknown", kind)
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	return e, nil
}

func (c *Claim) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, c.Nonce)
	b = append(b, c.DataDir[:]...)
	b = append(b, c.Module[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Time)) //nolint:gosec // two's complement
	b = binary.AppendUvarint(b, uint64(c.Restores))
	return appendString(b, c.Contact)
}

func decodeClaim(d *decoder, n Number) *Claim {
	c := &Claim{Nonce: d.uint64("nonce")}
	copy(c.DataDir[:], d.take(16, "data directory's id"))
	copy(c.Module[:], d.take(32, "module's fingerprint"))
	c.Time = core.Millis(d.uint64("time")) //nolint:gosec // two's complement
	c.Restores = Number(d.below(uint64(n), "restore point"))
	c.Contact = d.string("contact")
	if len(c.Contact) > maxContact {
		d.fail("contact of %d bytes, at most %d", len(c.Contact), maxContact)
	}
	return c
}

func (e *Entry) validate() error {
	kinds := 0
	for _, is := range []bool{e.Claim != nil, e.Manifest != nil, e.Departure != nil, e.Arrival != nil} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return fmt.Errorf("control log entry must be one of claim, manifest, departure and arrival")
	case e.Claim != nil && len(e.Claim.Contact) > maxContact:
		return fmt.Errorf("claim's contact has %d bytes, at most %d", len(e.Claim.Contact), maxContact)
	case e.Departure != nil:
		return e.Departure.validate()
	case e.Arrival != nil:
		return e.Arrival.validate()
	}
	return nil
}
