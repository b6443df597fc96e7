package core

// flights are the tries that a Dispatcher has under way. An invocation knows its place among them: it goes to one Dispatcher, and nobody else looks
// at that. The zero value is ready to use.
type flights struct {
	places []place
	free   []int32 // indexes of places
}

type place struct {
	flight
	inv *Invocation // nil if the place is free
}

func (f *flights) len() int { return len(f.places) - len(f.free) }

// add notes a try that begins.
func (f *flights) add(inv *Invocation, fl flight) {
	if n := len(f.free); n > 0 {
		inv.place, f.free = f.free[n-1], f.free[:n-1]
		f.places[inv.place] = place{fl, inv}
		return
	}
	inv.place = int32(len(f.places)) //nolint:gosec // no more than a pool's connections
	f.places = append(f.places, place{fl, inv})
}

// remove is what is known of a try that has ended; false if it was not under way.
func (f *flights) remove(inv *Invocation) (flight, bool) {
	if int(inv.place) >= len(f.places) || f.places[inv.place].inv != inv {
		return flight{}, false
	}
	fl := f.places[inv.place].flight
	f.places[inv.place] = place{}
	f.free = append(f.free, inv.place)
	return fl, true
}
