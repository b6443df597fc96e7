package main

import (
	"context"
	"fmt"
	"time"

	"github.com/stateway/stateway/test/harness"
)

// The streams of the Kinesis rows. A shard is read at 2 MB a second at most, so that 16 of them do not limit anybody here.
const (
	streamIn      = "in"
	streamOut     = "out"
	kinesisShards = 16
	kinesisKeys   = 10_000
	maxRecords    = 80_000 // plain ones: kinesalite keeps them all, twice, at 6 kB each, and dies when it has 1 GB
)

// kinesisLoad is a row from Kinesis to Kinesis: a kinesalite that holds all records before the node starts, embedded functions that count
// them, and the same kinesalite that takes what they send. It forgets nothing, so the number of records is fixed, not the time.
type kinesisLoad struct {
	records int // 100 bytes each, at least 1
	each    int // records in an aggregate, on both sides; 1 means none
}

// plainStream and aggregatedStream are the two rows. An aggregated record costs kinesalite next to nothing, so that there are more of them.
func plainStream(ctx context.Context, b *bench) (values, error) {
	return kinesisLoad{records: b.records, each: 1}.measure(ctx, b)
}

func aggregatedStream(ctx context.Context, b *bench) (values, error) {
	return kinesisLoad{records: 10 * b.records, each: 100}.measure(ctx, b)
}

func (l kinesisLoad) measure(ctx context.Context, b *bench) (values, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	server, err := harness.StartKinesalite(ctx)
	if err != nil {
		return nil, err // it says what is missing, and how to get it
	}
	defer server.Kill()
	for _, stream := range []string{streamIn, streamOut} {
		if err := server.Client().CreateStream(ctx, stream, kinesisShards); err != nil {
			return nil, err
		}
	}
	idle, err := readUsage(server.PID())
	if err != nil {
		return nil, err
	}
	if err := l.fill(ctx, server.Client()); err != nil {
		return nil, err
	}
	filled, err := readUsage(server.PID())
	if err != nil {
		return nil, err
	}
	config, err := b.nodeConfig(application{stream: server.Endpoint, aggregates: l.each > 1})
	if err != nil {
		return nil, err
	}
	if config.Binary, err = b.buildEmbedded(); err != nil {
		return nil, err
	}
	n, _, err := startNode(ctx, config)
	if err != nil {
		return nil, err
	}
	defer n.Kill()
	v, err := l.watch(ctx, n, server)
	if err == nil {
		v[putMicros] = (filled.cpu - idle.cpu).Seconds() * 1e6 / float64(l.records)
	}
	return v, err
}

// watch takes the time until all records are counted and until all are written, from the moment when the node is ready.
func (l kinesisLoad) watch(ctx context.Context, n *harness.Node, server *harness.KinesisServer) (values, error) {
	before, err := takeSample(ctx, n, server.Process)
	if err != nil {
		return nil, err
	}
	counted, err := l.waitFor(ctx, n, server, metricMessages)
	if err != nil {
		return nil, err
	}
	written, err := l.waitFor(ctx, n, server, metricStreamRecords)
	if err != nil {
		return nil, err
	}
	return compareStreams(before, counted, written)
}

// waitFor waits until a counter has reached the number of records.
func (l kinesisLoad) waitFor(ctx context.Context, n *harness.Node, server *harness.KinesisServer, metric string) (sample, error) {
	for {
		s, err := takeSample(ctx, n, server.Process)
		if err != nil {
			return s, fmt.Errorf("%s: %w", metric, err)
		}
		if s.metrics.Sum(metric) >= float64(l.records) {
			return s, nil
		}
		if err := sleep(ctx, n, 20*time.Millisecond); err != nil {
			return s, fmt.Errorf("%s stands at %.0f of %d: %w", metric, s.metrics.Sum(metric), l.records, err)
		}
	}
}

// compareStreams makes the row's values. The function server of these samples is kinesalite.
func compareStreams(before, counted, written sample) (values, error) {
	delta := func(to sample, name string) float64 { return to.metrics.Sum(name) - before.metrics.Sum(name) }
	in, out := delta(counted, metricMessages), delta(written, metricStreamRecords)
	toCounted, toWritten := counted.at.Sub(before.at).Seconds(), written.at.Sub(before.at).Seconds()
	if in <= 0 || out <= 0 {
		return nil, fmt.Errorf("%.0f records were counted and %.0f written after the node was ready: too few to measure", in, out)
	}
	node, server := (written.node.cpu - before.node.cpu).Seconds(), (written.functions.cpu - before.functions.cpu).Seconds()
	v := values{
		messagesPerSecond: in / toCounted, recordsInPerSecond: in / toCounted, recordsOutPerSecond: out / toWritten,
		nodeMicros: node * 1e6 / out, serverMicros: server * 1e6 / out,
		nodeCores: node / toWritten, serverCores: server / toWritten,
		residentMB: float64(written.node.resident) / 1e6, peakMB: float64(written.node.peak) / 1e6,
		seconds: toWritten,
	}
	v.ratio(recordsPerCall, out, delta(written, metricStreamCalls))
	return v, nil
}
