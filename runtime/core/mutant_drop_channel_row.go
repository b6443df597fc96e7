//go:build mutant_drop_channel_row

package core

const planted = dropChannelRow // what was in a channel at the cut does not become a row of that checkpoint
