//go:build mutant_group_all_failed

package core

const planted = groupAllFailed // a group without an answer is the failure of each of its items
