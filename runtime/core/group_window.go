package core

// groupWindow is how many invocations all workers together may have submitted to a GroupDispatcher.
//
// Too few leave slots empty. Too many only wait; and since what waits travels together, they make groups larger and answers later, which
// looks as if still more could be of use. So the window doubles freely while it is worked off promptly. Beyond that it is
// twice as large only where the endpoint then gets more done; both neighbours are tried anew from time to time.
type groupWindow struct {
	level int // the window is minWindow << level
	rates [windowLevels]windowRate

	// of the measure that goes on
	settling int // items that were sent under another window, and are not answered
	since    Millis
	looked   Millis
	underway int    // items, when it was last looked
	answered int    // items since then
	area     int64  // items under way, by milliseconds
	answers  bool   // the endpoint has answered lately
	lasted   Millis // how long the last measure took
	moved    Millis // time of the last answer or change, or since when something is under way
}

// windowRate is what the endpoint got done with a window.
type windowRate struct {
	rate float64 // items a millisecond
	at   Millis  // when it was measured; zero if never
}

// windowBounds are what a window may be, and how long it may take to be worked off.
type windowBounds struct {
	least, most int
	prompt      Millis
}

const (
	windowLevels   = 13
	maxGroupWindow = minWindow << (windowLevels - 1)
	windowPrompt   = Millis(100)  // beyond it, a window must pay; while it takes no more than half, twice the window is taken without a question
	windowPays     = 0.1          // more must get done with twice the window, as a part; see pays
	windowPaysMost = 1.25         // times more are enough, however long that takes
	windowPeriod   = Millis(50)   // of a measure, at least
	windowMemory   = Millis(4000) // for which a measure counts, at least
)

func (w *groupWindow) size() int { return minWindow << w.level }

// within is the window to tell.
func (w *groupWindow) within(b windowBounds) int {
	return min(max(w.size(), b.least), max(b.most, b.least), maxGroupWindow)
}

// begins takes note that something is under way again.
func (w *groupWindow) begins(now Millis) {
	w.answers = w.answers && now-w.moved <= windowMemory
	w.moved = now
}

// done takes note of answered items.
func (w *groupWindow) done(now Millis, items int) {
	w.moved, w.answers = now, true
	if w.settling > 0 {
		if w.settling -= items; w.settling <= 0 {
			w.restart(now)
		}
		return
	}
	w.answered += items
}

// hinders reports whether it may be the window alone that leaves free slots empty: before the first answer nobody knows.
func (w *groupWindow) hinders(underway int, b windowBounds) bool {
	return !w.answers && 2*underway >= w.within(b) && w.mayRise(b)
}

func (w *groupWindow) mayRise(b windowBounds) bool {
	return w.level < windowLevels-1 && w.size() < b.most
}

// stalledAt is when a window that hinders is doubled for want of an answer.
func (w *groupWindow) stalledAt() Millis { return w.moved + stall }

// look adapts the window to what gets done. It is called after every step, with the number of items under way, and whether slots are free.
func (w *groupWindow) look(now Millis, underway int, free bool, b windowBounds) {
	w.area += int64(now-w.looked) * int64(w.underway)
	w.looked, w.underway = now, underway
	for w.size() < min(b.least, maxGroupWindow) {
		w.turn(now, 1)
	}
	if free && w.hinders(underway, b) && now >= w.stalledAt() {
		w.turn(now, 1)
	}
	elapsed := now - w.since
	if w.answered < 2*w.within(b) || elapsed < windowPeriod { // answers come in lumps
		return
	}
	if 4*w.area >= int64(elapsed)*int64(w.within(b)) { // else nobody wanted more
		w.lasted = elapsed
		w.note(now, float64(w.answered)/float64(elapsed))
		w.choose(now, b)
	}
	w.restart(now)
}

// restart begins a new measure.
func (w *groupWindow) restart(now Millis) {
	w.since, w.looked, w.answered, w.area = now, now, 0, 0
}

// rest is called while nothing can be learned.
func (w *groupWindow) rest(now Millis) {
	w.moved, w.settling, w.answers = now, 0, true
	w.restart(now)
}

// turn takes another window.
func (w *groupWindow) turn(now Millis, by int) {
	w.level += by
	w.moved, w.settling = now, w.underway
	w.restart(now)
}

// note keeps what got done with the present window. Is that quite another than before, nothing counts that was known.
func (w *groupWindow) note(now Millis, rate float64) {
	r := &w.rates[w.level]
	switch before := r.rate; {
	case !w.known(now, w.level):
	case rate > 3*before || 3*rate < before:
		clear(w.rates[:])
	default:
		rate = before + (rate-before)/2
	}
	*r = windowRate{rate: rate, at: now}
}

// known reports whether it is known what gets done with a window.
func (w *groupWindow) known(now Millis, level int) bool {
	at := w.rates[level].at
	return at > 0 && now-at <= max(windowMemory, 16*w.lasted)
}

// pays reports whether twice the window of a level gets more done: a tenth more, and so much more again for each time that it takes as long
// as is prompt. What takes long is an error that also takes long to notice.
func (w *groupWindow) pays(level int, b windowBounds) bool {
	times := max(1, w.takes(level+1)/float64(b.prompt))
	return w.rates[level+1].rate >= w.rates[level].rate*min(1+windowPays*times, windowPaysMost)
}

// takes is how many milliseconds it takes until the window of a known level is worked off.
func (w *groupWindow) takes(level int) float64 {
	return float64(int(minWindow)<<level) / w.rates[level].rate
}

// choose goes on with the present window, its half or its double.
func (w *groupWindow) choose(now Millis, b windowBounds) {
	l := w.level
	slow := w.takes(l) > float64(b.prompt)
	up, down := w.mayRise(b), l > 0 && w.size() >= 2*b.least
	switch {
	case up && 2*w.takes(l) <= float64(b.prompt):
		w.turn(now, 1)
	case up && w.known(now, l+1) && w.pays(l, b):
		w.turn(now, 1)
	case down && slow && w.known(now, l-1) && !w.pays(l-1, b):
		w.turn(now, -1)
	case down && slow && !w.known(now, l-1):
		w.turn(now, -1)
	case up && !w.known(now, l+1):
		w.turn(now, 1)
	}
}
