//go:build mutant_redrive_kept

package core

const planted = redriveKept // a dead letter whose message is put back is kept
