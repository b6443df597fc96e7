package sim

// Kept is a seed that once showed a mistake.
type Kept struct {
	Seed uint64
	Was  string
}

// KeptSeeds are run by every test. A change of the simulation changes what its seeds do: then they are only some seeds
// more, and the one that shows the mistake again is to be found by undoing its repair.
var KeptSeeds = []Kept{}
