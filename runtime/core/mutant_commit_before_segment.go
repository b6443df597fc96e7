//go:build mutant_commit_before_segment

package core

const planted = commitBeforeSegment // a checkpoint is committed with the first node's segment
