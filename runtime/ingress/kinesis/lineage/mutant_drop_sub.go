//go:build mutant_drop_sub

package lineage

const (
	childEarly = false
	dropSub    = true // a position within an aggregate becomes one behind it
)
