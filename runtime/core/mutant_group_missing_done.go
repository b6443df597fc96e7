//go:build mutant_group_missing_done

package core

const planted = groupMissingDone // an item that the answer to its group lacks is taken as done
