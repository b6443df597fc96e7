package node_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// names are the metrics that docs/operations.md promises of a node under load.
var names = strings.Fields(`
stateway_checkpoints_total stateway_checkpoint_seconds_total stateway_checkpoint_last_seconds stateway_checkpoint_last_number
stateway_generation stateway_segments_total stateway_segment_bytes_total stateway_segment_row_bytes_total
stateway_segment_uncompressed_bytes_total stateway_segment_rows_total stateway_bases_total stateway_base_bytes_total
stateway_objects_deleted_total stateway_tries_total stateway_invocations_total stateway_messages_total stateway_failures_total
stateway_messages_sent_total stateway_messages_consumed_total stateway_stale_outcomes_total stateway_repeats_total
stateway_delayed_total stateway_expired_total stateway_dead_letters_total stateway_held_addresses stateway_failing_addresses
stateway_ready_addresses stateway_in_flight stateway_egress_records_total stateway_egress_unpublished stateway_memory_bytes
stateway_disk_backlog_bytes stateway_instances stateway_shard_disk_bytes stateway_shard_cache_bytes stateway_cut_seconds`)

// Metrics can be asked for at any time, by many, from before the start to after the end, and keep Prometheus' rules.
func TestMetrics(t *testing.T) {
	y := newTally(t, 3000, 20)
	n := y.make()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(n)
	if _, err := registry.Gather(); err != nil {
		t.Errorf("before the start: %v", err)
	}
	x := y.start()
	running := prometheus.NewPedanticRegistry()
	running.MustRegister(x.Node)
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			for len(y.out.Records()) < y.records {
				if _, err := running.Gather(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	x.ready()
	y.done(x)
	group.Wait()
	families, err := running.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range families {
		seen[f.GetName()] = true
	}
	for _, name := range names {
		if !seen[name] {
			t.Errorf("%s is missing", name)
		}
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	x.halt()
	if _, err := running.Gather(); err != nil {
		t.Errorf("after the end: %v", err)
	}
}

// A full copy of a shard is made when its segments outweigh it; a start without the disk takes it, and what is newer.
func TestBases(t *testing.T) {
	log, r := newBlobs(t)
	x := r.start().ready()
	sent := 0
	for ; x.metric("stateway_bases_total") == 0; sent++ {
		log.Append("p", blob(sent))
		x.eventually("the blob is stored", func() bool { return x.metric("stateway_messages_consumed_total") > float64(sent) })
		if sent > 1000 {
			t.Fatal("no base after 250 MB")
		}
	}
	last := x.metric("stateway_checkpoint_last_number")
	log.Append("p", blob(sent))
	sent++
	x.eventually("the base is named by a manifest", func() bool { return x.metric("stateway_checkpoint_last_number") > last+1 || nudge(log) })
	x.kill()
	checkBlobs(t, r, sent)
}
