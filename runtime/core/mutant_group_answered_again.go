//go:build mutant_group_answered_again

package core

const planted = groupAnsweredAgain // when an answer lacks an item, the first of the group is sent again instead
