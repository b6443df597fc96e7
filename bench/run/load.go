package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/stateway/stateway/test/harness"
)

// load is a row that runs a generator for a fixed time.
type load struct {
	functions string // package of the function server
	addresses int
	rate      int
	embedded  bool
	single    bool // one message an invocation
	group     bool // many invocations a request
	poison    int  // one message in so many fails, in every other turn; 0 means none
	lambda    bool // the functions are on Lambda
	linger    time.Duration
	pause     time.Duration // that each message takes
}

// sample is everything read at one moment.
type sample struct {
	at        time.Time
	metrics   harness.Metrics
	node      usage
	functions usage
}

func (l load) measure(ctx context.Context, b *bench) (values, error) {
	app := application{addresses: l.addresses, rate: l.rate, single: l.single, group: l.group, lambda: l.lambda, linger: l.linger}
	var functions *harness.Process
	if !l.embedded {
		var err error
		if functions, app.functions, err = b.startFunctions(ctx, l.functions, l.flags()...); err != nil {
			return nil, err
		}
		defer functions.Kill()
	}
	config, err := b.nodeConfig(app)
	if err != nil {
		return nil, err
	}
	if l.embedded {
		if config.Binary, err = b.buildEmbedded(); err != nil {
			return nil, err
		}
	}
	n, _, err := startNode(ctx, config)
	if err != nil {
		return nil, err
	}
	defer n.Kill()
	if err := sleep(ctx, n, b.warm); err != nil {
		return nil, err
	}
	if l.poison > 0 {
		return b.measureTurns(ctx, n, functions)
	}
	before, err := takeSample(ctx, n, functions)
	if err != nil {
		return nil, err
	}
	profiled := b.profile(ctx, n)
	if err := errors.Join(sleep(ctx, n, b.duration), <-profiled); err != nil {
		return nil, err
	}
	after, err := takeSample(ctx, n, functions)
	if err != nil {
		return nil, err
	}
	return compare(before, after)
}

// flags are those of the function server.
func (l load) flags() []string {
	var flags []string
	if l.poison > 0 {
		flags = append(flags, "-poison", strconv.Itoa(l.poison), "-poison-turn", turn.String())
	}
	if l.pause > 0 {
		flags = append(flags, "-pause", l.pause.String())
	}
	return flags
}

// sleep waits, but not longer than the node lives.
func sleep(ctx context.Context, n *harness.Node, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-n.Ended():
		return fmt.Errorf("the node ended under load: %w", n.Err())
	case <-ctx.Done():
		return ctx.Err()
	}
}

func takeSample(ctx context.Context, n *harness.Node, functions *harness.Process) (sample, error) {
	s := sample{at: time.Now()}
	var err error
	if s.metrics, err = n.Metrics(ctx); err != nil {
		return s, err
	}
	if s.node, err = readUsage(n.PID()); err != nil {
		return s, err
	}
	if functions != nil {
		s.functions, err = readUsage(functions.PID())
	}
	return s, err
}

// compare turns two samples into the row's values.
func compare(before, after sample) (values, error) {
	delta := func(name string) float64 { return after.metrics.Sum(name) - before.metrics.Sum(name) }
	seconds := after.at.Sub(before.at).Seconds()
	messages, requests := delta(metricMessages), delta(metricRequests)
	if messages <= 0 {
		return nil, fmt.Errorf("no message was processed: %s stands at %v", metricMessages, after.metrics.Sum(metricMessages))
	}
	v := values{
		messagesPerSecond: messages / seconds,
		nodeMicros:        (after.node.cpu - before.node.cpu).Seconds() * 1e6 / messages,
		residentMB:        float64(after.node.resident) / 1e6,
		peakMB:            float64(after.node.peak) / 1e6,
	}
	if functions := after.functions.cpu > 0; functions && requests > 0 {
		v[requestsPerSecond] = requests / seconds
		v[messagesPerRequest] = messages / requests
		v[functionMicros] = (after.functions.cpu - before.functions.cpu).Seconds() * 1e6 / messages
	}
	v.ratio(groupsPerSecond, delta(metricGroups), seconds)
	v.ratio(groupsPerThousand, 1000*delta(metricGroups), messages)
	v.ratio(itemsPerGroup, delta(metricGroupItems), delta(metricGroups))
	v.ratio(deadPerSecond, delta(metricDead), seconds)
	v.quantile(latencyP50, before, after, metricEgressAge, 0.5)
	v.quantile(latencyP99, before, after, metricEgressAge, 0.99)
	v.quantile(cutP99, before, after, metricCutSeconds, 0.99)
	v.ratio(recordsPerMessage, delta(metricEgressRecords), messages)
	v.ratio(segmentRatio, delta(metricSegmentBytes), delta(metricRowBytes))
	v.ratio(storedRatio, delta(metricStoredBytes), delta(metricRowBytes))
	v.ratio(storedBytesPerMessage, delta(metricStoredBytes), messages)
	v.ratio(baseBytesPerMessage, delta(metricBaseBytes), messages)
	v.ratio(checkpointsPerSecond, delta(metricCheckpoints), seconds)
	return v, nil
}
