//go:build !mutant_cut_late && !mutant_apply_twice && !mutant_drop_channel_row && !mutant_commit_before_segment

package core

const planted = noMutant
