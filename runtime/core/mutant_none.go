//go:build !mutant_cut_late && !mutant_apply_twice && !mutant_drop_channel_row && !mutant_commit_before_segment && !mutant_group_missing_done && !mutant_group_answered_again && !mutant_group_all_failed && !mutant_redrive_kept

package core

const planted = noMutant
