package core

// groupSize is how many items travel together at most: as many as the endpoint takes, or fewer, so that a group takes no longer than the target.
//
// It grows by what full groups leave room for. It falls at most once in a round trip, a little for a late group, which may be an
// accident, and more for each one that follows. Groups may take half as long again as a single item usually does: what that takes,
// smaller groups do not mend, and where the server is busy with many small ones they make it worse. While that is more than the target, a
// group of one item is sent again and again, to see what it takes by now.
type groupSize struct {
	target  Millis  // zero: only the endpoint bounds a group
	most    int     // items that the endpoint takes
	items   float64 // that travel together; at least one
	late    int     // late groups in a row, of those that count
	lowered uint64  // groups up to this number were sent before the last fall
	used    float64 // of its time by the last full group, as a part
	one     float64 // milliseconds that one item takes, about; zero if unknown
	since   int     // groups of fresh items since the last with one of them
}

func newGroupSize(target Millis, most int) groupSize {
	s := groupSize{target: target, most: most, items: 1}
	s.takes(most)
	return s
}

// limit is how many items a group may have.
func (s *groupSize) limit() int { return int(s.items) }

// askEvery is one in how many groups is sent with one item, to see what that takes.
const askEvery = 16

// next is how many items the next group may have.
func (s *groupSize) next() int {
	if s.aboveTarget() && s.since >= askEvery-1 {
		return 1
	}
	return s.limit()
}

// formed takes note of a group of so many fresh items, which is going to be sent.
func (s *groupSize) formed(items int) {
	s.since++
	if items == 1 {
		s.since = 0
	}
}

// takes sets how many items the endpoint takes. With a target, the size gets there by itself.
func (s *groupSize) takes(most int) {
	s.most = most
	if s.target == 0 {
		s.items = float64(most)
	}
	s.items = min(s.items, float64(most))
}

// note takes note of an answered group: its items, how long it took, its number, and how many groups were sent until now.
func (s *groupSize) note(items int, took Millis, number, sent uint64) {
	if s.target == 0 {
		return
	}
	s.noteOne(items, float64(took))
	switch goal, t := s.goal(), float64(took); {
	case number <= s.lowered, items == 1 && s.limit() > 1 && s.aboveTarget(): // it tells of another size
	case t > goal:
		s.late++
		if s.late > 1 || 2*items >= s.limit() { // one small late group is an accident
			s.fall(sent)
		}
	default:
		s.late = 0
		if items >= s.limit() {
			s.grow(max(s.used, t/goal))
			s.used = t / goal
		}
	}
}

// someItems of a group that is soon answered say that one item takes no longer. Of fewer, one that is soon answered may have been lucky, where the
// server is busy with many small ones.
const someItems = 16

// noteOne follows what one item takes: usually, and no more than any group of some items does. Between such groups one item may wait as long
// as they take, which would make them longer still: there it can only tell that it takes less.
func (s *groupSize) noteOne(items int, took float64) {
	took = max(took, 0.5)
	switch {
	case s.one == 0, took < s.one && items >= someItems:
		s.one = took
	case items > 1:
	case took < s.one:
		s.one += (took - s.one) / 4
	case s.limit() < someItems:
		s.one += (took - s.one) / 8
	}
}

// goal is how long a group may take. What one item usually takes, many take longer: there is some room above it.
func (s *groupSize) goal() float64 { return max(float64(s.target), 1.5*s.one) }

// aboveTarget reports whether groups may take longer than the target.
func (s *groupSize) aboveTarget() bool { return s.goal() > float64(s.target) }

func (s *groupSize) fall(sent uint64) {
	s.lowered, s.used = sent, 0
	s.items = max(1, s.items*[...]float64{7. / 8, 3. / 4, 1. / 2}[min(s.late, 3)-1])
}

// grow makes groups larger by as much as the slower of the last two would still have been in time. A goal above the target may be too high:
// then it takes small steps.
func (s *groupSize) grow(used float64) {
	by := 65. / 64
	switch {
	case used <= 1./2 && !s.aboveTarget():
		by = 2
	case used <= 3./4:
		by = 9. / 8
	}
	s.items = min(s.items*by, float64(s.most))
}
