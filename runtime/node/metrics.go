package node

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stateway/stateway/faas/endpoint"
	"github.com/stateway/stateway/runtime/core"
)

// metrics are what the node measures itself; the rest is asked of the workers when somebody looks.
type metrics struct {
	checkpoints  atomic.Uint64
	lastNanos    atomic.Int64
	totalNanos   atomic.Int64
	rowBytes     atomic.Int64
	segmentBytes atomic.Int64
	encodedBytes atomic.Int64
	cuts         prometheus.Histogram
	segments     atomic.Int64
	baseBytes    atomic.Int64
	bases        atomic.Int64
	collected    atomic.Uint64
}

// cutBuckets are upper bounds in seconds for the time of one cut on one worker.
var cutBuckets = []float64{1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2}

// committed counts a committed checkpoint and the time since it began.
func (m *metrics) committed(took time.Duration) {
	m.checkpoints.Add(1)
	m.lastNanos.Store(int64(took))
	m.totalNanos.Add(int64(took))
}

func (m *metrics) segment(encoded, length int64) {
	m.segments.Add(1)
	m.encodedBytes.Add(encoded)
	m.segmentBytes.Add(length)
}

func (m *metrics) base(length int64) {
	m.bases.Add(1)
	m.baseBytes.Add(length)
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("stateway_"+name, help, labels, nil)
}

var (
	descCheckpoints   = desc("checkpoints_total", "Checkpoints committed by this process.")
	descCheckpoint    = desc("checkpoint_seconds_total", "Time from the beginning to the commit of all checkpoints together.")
	descCheckpointNow = desc("checkpoint_last_seconds", "The same of the last checkpoint.")
	descCommitted     = desc("checkpoint_last_number", "Number of the last committed checkpoint.")
	descGeneration    = desc("generation", "Control log number of the claim under which this process leads; 0 if it does not.")
	descSegments      = desc("segments_total", "Segments stored.")
	descSegmentBytes  = desc("segment_bytes_total", "Bytes of stored segments.")
	descRowBytes      = desc("segment_row_bytes_total", "Bytes of the keys and values of the rows handed over for segments.")
	descEncoded       = desc("segment_uncompressed_bytes_total", "Bytes of stored segments before compression.")
	descRows          = desc("segment_rows_total", "Rows handed over for segments.")
	descBases         = desc("bases_total", "Bases refreshed.")
	descBaseBytes     = desc("base_bytes_total", "Bytes of the files of refreshed bases.")
	descCollected     = desc("objects_deleted_total", "Segments and base files deleted because nothing needs them any more.")
	descBucket        = desc("bucket_requests_total", "Requests sent to the bucket, by kind.", "op")
	descBucketAgain   = desc("bucket_retries_total", "Of those, how many were sent again, by cause.", "cause")
	descRequests      = desc("requests_total", "Tries that ended, by endpoint and outcome.", "endpoint", "outcome")
	descLimit         = desc("endpoint_limit", "Tries that may be under way at an endpoint.", "endpoint")
	descFlying        = desc("endpoint_in_flight", "Tries under way at an endpoint.", "endpoint")
	descQueued        = desc("endpoint_queued", "Tries that wait for a place at an endpoint, or for the end of its trouble.", "endpoint")
	descTrouble       = desc("endpoint_trouble", "1 while an endpoint is in trouble.", "endpoint")
	descGroups        = desc("groups_total", "Requests sent to an endpoint that takes many tries in one.", "endpoint")
	descGroupItems    = desc("group_items_total", "Tries sent in them.", "endpoint")
	descGroupBytes    = desc("group_bytes_total", "Bytes of them, measured roughly and before compression.", "endpoint")
	descGroupSeconds  = desc("group_seconds_total", "Time of them, from sending to the answer, added up.", "endpoint")
	descGroupCost     = desc("group_cost_total", "What the groups have cost at most, by the endpoint's price.", "endpoint")
	descGroupSplits   = desc("group_splits_total", "Groups that were halved, since there was no answer to them.", "endpoint")
	descGroupMissing  = desc("group_missing_total", "Tries that the answer to their group lacked.", "endpoint")
	descGroupStray    = desc("group_stray_total", "Answers to no try of their group, or to one that was answered.", "endpoint")
	descGroupThrottle = desc("group_throttled_total", "Groups refused because too many were under way.", "endpoint")
	descTries         = desc("tries_total", "Tries handed to endpoints.")
	descInvocations   = desc("invocations_total", "Accepted invocations.", "function")
	descMessages      = desc("messages_total", "Messages that arrived at a function type.", "function")
	descFailures      = desc("failures_total", "Failed tries.", "function")
	descSent          = desc("messages_sent_total", "Messages that functions of a type sent.", "function")
	descConsumed      = desc("messages_consumed_total", "Messages of accepted invocations.")
	descStale         = desc("stale_outcomes_total", "Outcomes of tries that were given up before.")
	descRepeats       = desc("repeats_total", "Messages dropped for their dedupe id.")
	descTimers        = desc("delayed_total", "Delayed messages that came due.")
	descExpired       = desc("expired_total", "States and dedupe ids that the sweep deleted.")
	descDead          = desc("dead_letters_total", "Messages sent to dead letters.")
	descDeadUnfit     = desc("dead_letters_unfit_total", "Dead letters that their egress does not take: sent without the message itself, or not at all.")
	descDeadDropped   = desc("dead_letters_dropped_total", "Kept dead letters deleted before their time, because there were too many.")
	descDeadBack      = desc("dead_letters_redriven_total", "Kept dead letters that operators put back.")
	descHeld          = desc("held_addresses", "Addresses that are held.")
	descTroubled      = desc("failing_addresses", "Addresses whose head message is failing or held.")
	descReady         = desc("ready_addresses", "Addresses that wait for a place at their endpoint.")
	descInFlight      = desc("in_flight", "Tries under way.")
	descEgress        = desc("egress_records_total", "Records that functions sent to egresses.")
	descUnpublished   = desc("egress_unpublished", "Records of an egress that are not published.", "egress")
	descMemory        = desc("memory_bytes", "What the core holds in memory.", "kind")
	descBacklog       = desc("disk_backlog_bytes", "Waiting messages that lie in the shards only.")
	descInstances     = desc("instances", "Addresses in memory.")
	descShardBytes    = desc("shard_disk_bytes", "Bytes of the shards' files.")
	descCache         = desc("shard_cache_bytes", "Bytes in the block cache.")
)

// descs are all of them: most are there only while a generation runs.
var descs = []*prometheus.Desc{
	descCheckpoints, descCheckpoint, descCheckpointNow, descCommitted, descGeneration, descSegments, descSegmentBytes,
	descRowBytes, descEncoded, descRows, descBases, descBaseBytes, descCollected, descBucket, descBucketAgain, descRequests, descLimit, descFlying,
	descQueued, descTrouble, descTries, descInvocations, descMessages, descFailures, descSent, descConsumed, descStale,
	descRepeats, descTimers, descExpired, descDead, descDeadUnfit, descDeadDropped, descDeadBack, descHeld, descTroubled, descReady, descInFlight, descEgress,
	descUnpublished, descMemory, descBacklog, descInstances, descShardBytes, descCache,
	descGroups, descGroupItems, descGroupBytes, descGroupSeconds, descGroupSplits, descGroupMissing, descGroupStray, descGroupThrottle, descGroupCost,
}

// Describe implements prometheus.Collector.
func (n *Node) Describe(out chan<- *prometheus.Desc) {
	for _, d := range descs {
		out <- d
	}
	for _, d := range ingressDescs {
		out <- d
	}
	n.metrics.cuts.Describe(out)
}

// Collect implements prometheus.Collector. It asks each worker for its numbers.
func (n *Node) Collect(out chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	m := &n.metrics
	count(descCheckpoints, float64(m.checkpoints.Load()))
	count(descCheckpoint, time.Duration(m.totalNanos.Load()).Seconds())
	gauge(descCheckpointNow, time.Duration(m.lastNanos.Load()).Seconds())
	count(descSegments, float64(m.segments.Load()))
	count(descSegmentBytes, float64(m.segmentBytes.Load()))
	count(descRowBytes, float64(m.rowBytes.Load()))
	count(descEncoded, float64(m.encodedBytes.Load()))
	out <- m.cuts
	count(descBases, float64(m.bases.Load()))
	count(descBaseBytes, float64(m.baseBytes.Load()))
	count(descCollected, float64(m.collected.Load()))
	for op, sent := range n.requests.Requests() {
		count(descBucket, float64(sent), string(op))
	}
	for cause, sent := range n.requests.Retries() {
		count(descBucketAgain, float64(sent), string(cause))
	}
	g := n.generation()
	if g == nil {
		gauge(descGeneration, 0)
		return
	}
	gauge(descGeneration, float64(g.id))
	gauge(descCommitted, float64(g.coordinator.committedState().Checkpoint))
	sets := n.set.Metrics()
	gauge(descShardBytes, float64(sets.DiskBytes))
	gauge(descCache, float64(sets.CacheBytes))
	collectWorkers(g, count, gauge)
	collectCallers(g, count, gauge)
	collectIngresses(g.ingresses, count, gauge)
}

// measured is a Caller that has numbers.
type measured interface{ Stats() endpoint.Stats }

func collectCallers(g *generation, count, gauge emitMetric) {
	for i, c := range g.callers {
		m, ok := c.(measured)
		if !ok {
			continue
		}
		name, s := g.node.cfg.Parts.Endpoints[i].Core.Name, m.Stats()
		for class, n := range s.Answers {
			count(descRequests, float64(n), name, core.OutcomeClass(class).String()) //nolint:gosec // three classes
		}
		gauge(descLimit, float64(s.Limit), name)
		gauge(descFlying, float64(s.Flying), name)
		gauge(descQueued, float64(s.Queued), name)
		trouble := 0.0
		if s.Resting {
			trouble = 1
		}
		gauge(descTrouble, trouble, name)
		if s.Groups != (endpoint.GroupStats{}) {
			collectGroups(&s.Groups, name, count)
		}
	}
}

// collectGroups counts what only endpoints have that take groups.
func collectGroups(s *endpoint.GroupStats, name string, count emitMetric) {
	count(descGroups, float64(s.Groups), name)
	count(descGroupItems, float64(s.Items), name)
	count(descGroupBytes, float64(s.Bytes), name)
	count(descGroupSeconds, float64(s.Busy)/1000, name)
	if s.Cost > 0 {
		count(descGroupCost, s.Cost, name)
	}
	count(descGroupSplits, float64(s.Splits), name)
	count(descGroupMissing, float64(s.Missing), name)
	count(descGroupStray, float64(s.Stray), name)
	count(descGroupThrottle, float64(s.Throttled), name)
}

type emitMetric func(d *prometheus.Desc, v float64, labels ...string)

func collectWorkers(g *generation, count, gauge emitMetric) {
	s := g.workerStatus()
	count(descTries, float64(s.stats.Tries))
	count(descConsumed, float64(s.stats.Consumed))
	count(descStale, float64(s.stats.Stale))
	count(descRepeats, float64(s.stats.Repeats))
	count(descTimers, float64(s.stats.Timers))
	count(descExpired, float64(s.stats.Expired))
	count(descDead, float64(s.stats.DeadLetters))
	count(descDeadUnfit, float64(s.stats.DeadLettersUnfit))
	count(descDeadDropped, float64(s.stats.DeadLettersDropped))
	count(descDeadBack, float64(s.stats.DeadLettersBack))
	count(descEgress, float64(s.stats.EgressRecords))
	count(descRows, float64(s.stats.Rows))
	gauge(descHeld, float64(s.stats.Held))
	gauge(descTroubled, float64(s.gauges.Troubled))
	gauge(descReady, float64(s.gauges.Ready))
	gauge(descInFlight, float64(s.gauges.InFlight))
	gauge(descInstances, float64(s.gauges.Instances))
	gauge(descBacklog, float64(s.gauges.DiskBytes))
	gauge(descMemory, float64(s.gauges.MailBytes), "messages")
	gauge(descMemory, float64(s.gauges.OverlayBytes), "overlays")
	gauge(descMemory, float64(s.gauges.CacheBytes), "instances")
	gauge(descMemory, float64(s.gauges.OutboxBytes), "outbox")
	for t, st := range g.labels.fold(s.types) {
		count(descInvocations, float64(st.Invocations), string(t))
		count(descMessages, float64(st.In), string(t))
		count(descFailures, float64(st.Failures), string(t))
		count(descSent, float64(st.Messages), string(t))
	}
	for i, left := range s.egress {
		gauge(descUnpublished, float64(left), g.node.cfg.Parts.Egresses[i].Core.Name)
	}
}
