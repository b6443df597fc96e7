//go:build mutant_cut_late

package core

const planted = cutLate // a worker looks at a frame of the next epoch before it cuts
