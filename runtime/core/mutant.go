package core

// mutant names a mistake that a build tag plants, so that the simulation shows that it would notice (make mutants). In a usual
// build planted is noMutant, and the compiler leaves all of it out.
type mutant uint8

const (
	noMutant mutant = iota
	cutLate
	applyTwice
	dropChannelRow
	commitBeforeSegment
	groupMissingDone
	groupAnsweredAgain
	groupAllFailed
	redriveKept
)
