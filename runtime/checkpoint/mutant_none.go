//go:build !mutant_reuse_name

package checkpoint

// reuseNames is a mistake that a build tag plants, so that the simulation shows that it would notice (make mutants).
const reuseNames = false
