package main

// The node's metrics that the bench reads. docs/operations.md documents them; if one is renamed, this file is all that follows.
const (
	// metricMessages counts messages that a function has processed, metricRequests what was handed to endpoints to have them
	// processed: over HTTP, one request each.
	metricMessages = "stateway_messages_consumed_total"
	metricRequests = "stateway_tries_total"

	// metricGroups counts requests of endpoints that take many tries in one, metricGroupItems the tries in them.
	metricGroups     = "stateway_groups_total"
	metricGroupItems = "stateway_group_items_total"

	// metricDead counts messages that were given up.
	metricDead = "stateway_dead_letters_total"

	// metricEgressRecords counts records that reached an egress; metricEgressAge is the histogram of the discard egress: seconds from the
	// timestamp in a record to its arrival.
	metricEgressRecords = "stateway_egress_records_total"
	metricEgressAge     = "stateway_egress_latency_seconds"

	// metricIngressRecords counts records read from Kinesis, metricStreamRecords those that it took, in aggregates each;
	// metricStreamCalls counts PutRecords.
	metricIngressRecords = "stateway_ingress_records_total"
	metricStreamRecords  = "stateway_egress_stream_records_total"
	metricStreamCalls    = "stateway_egress_stream_calls_total"

	// metricSegmentBytes counts segments before compression, metricStoredBytes as they are stored, metricRowBytes the keys and
	// values of the rows in them. Bases are apart. metricCheckpoints counts commits.
	metricSegmentBytes = "stateway_segment_uncompressed_bytes_total"
	metricStoredBytes  = "stateway_segment_bytes_total"
	metricRowBytes     = "stateway_segment_row_bytes_total"
	metricBaseBytes    = "stateway_base_bytes_total"
	metricCheckpoints  = "stateway_checkpoints_total"

	// metricCutSeconds is the histogram of the CPU time of one cut on one worker.
	metricCutSeconds = "stateway_cut_seconds"
)
