package node

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/stateway/stateway/runtime/ingress"
)

var (
	descPartitions     = desc("ingress_partitions", "Partitions of an ingress by what becomes of them.", "ingress", "state")
	descBehind         = desc("ingress_behind_seconds", "How far a shard was behind its newest record when it was last read.", "ingress", "stream", "shard")
	descIngressRecords = desc("ingress_records_total", "Records read from a shard.", "ingress", "stream", "shard")
	descIngressBytes   = desc("ingress_bytes_total", "Their bytes.", "ingress", "stream", "shard")
	descThrottles      = desc("ingress_throttles_total", "Refusals of a shard for reading too fast.", "ingress", "stream", "shard")
)

// ingressDescs are those of the metrics by ingress, beside descs.
var ingressDescs = []*prometheus.Desc{descPartitions, descBehind, descIngressRecords, descIngressBytes, descThrottles}

// partitionStates are all that a partition can be in.
var partitionStates = []ingress.PartitionState{
	ingress.PartitionReading, PartitionFailing, ingress.PartitionHeld, ingress.PartitionWaiting, ingress.PartitionEnded,
}

// collectIngresses measures what drivers report, and counts partitions by their states.
func collectIngresses(d *ingressDriver, count, gauge emitMetric) {
	for _, in := range d.status() {
		states := map[ingress.PartitionState]int{}
		for _, p := range in.Partitions {
			states[p.State]++
			if !p.Reported {
				continue
			}
			if p.Lag >= 0 && p.State != ingress.PartitionEnded {
				gauge(descBehind, p.Lag.Seconds(), in.ID, p.Stream, p.Shard)
			}
			count(descIngressRecords, float64(p.Records), in.ID, p.Stream, p.Shard)
			count(descIngressBytes, float64(p.Bytes), in.ID, p.Stream, p.Shard)
			count(descThrottles, float64(p.Throttles), in.ID, p.Stream, p.Shard)
		}
		for _, state := range partitionStates {
			gauge(descPartitions, float64(states[state]), in.ID, string(state))
		}
	}
}
