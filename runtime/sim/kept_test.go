package sim

import "testing"

func TestKeptSeeds(t *testing.T) {
	for _, k := range KeptSeeds {
		t.Log(k.Seed, k.Was)
		report(t, Run(k.Seed))
	}
}

func TestSeedsRepeat(t *testing.T) {
	for seed := uint64(1); seed <= 6; seed++ {
		a, b := Run(seed), Run(seed)
		if a != b {
			t.Errorf("seed %d: %d events with hash %x, then %d with %x", seed, a.Steps, a.Hash, b.Steps, b.Hash)
		}
	}
}
