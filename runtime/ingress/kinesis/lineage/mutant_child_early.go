//go:build mutant_child_early

package lineage

const (
	childEarly = true // a child is read while its parents are
	dropSub    = false
)
