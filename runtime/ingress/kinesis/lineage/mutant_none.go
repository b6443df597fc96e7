//go:build !mutant_child_early && !mutant_drop_sub

package lineage

// Mistakes that a build tag plants, so that the simulation shows that it would notice them (make mutants).
const (
	childEarly = false
	dropSub    = false
)
