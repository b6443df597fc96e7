package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stateway/stateway/test/harness"
)

// measureStart starts a node on an empty bucket several times.
func measureStart(ctx context.Context, b *bench) (values, error) {
	functions, url, err := b.startFunctions(ctx, lean)
	if err != nil {
		return nil, err
	}
	defer functions.Kill()
	var took []time.Duration
	for range 5 {
		config, err := b.idleConfig(url)
		if err != nil {
			return nil, err
		}
		n, d, err := startNode(ctx, config)
		if err != nil {
			return nil, err
		}
		n.Kill()
		took = append(took, d)
	}
	slices.Sort(took)
	return values{seconds: took[len(took)/2].Seconds()}, nil
}

// measureRecovery kills a node after many invocations and takes the time from there to the first message that the next one has
// served. Disk and bucket stay.
func measureRecovery(ctx context.Context, b *bench) (values, error) {
	functions, url, err := b.startFunctions(ctx, lean)
	if err != nil {
		return nil, err
	}
	defer functions.Kill()
	config, err := b.nodeConfig(application{functions: url, addresses: 100_000})
	if err != nil {
		return nil, err
	}
	n, _, err := startNode(ctx, config)
	if err != nil {
		return nil, err
	}
	defer func() { n.Kill() }()
	patience, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := waitServed(patience, n, float64(b.invocations), 50*time.Millisecond); err != nil {
		return nil, err
	}
	killed := time.Now()
	n.Kill()
	if n, err = harness.StartNode(config); err != nil {
		return nil, err
	}
	// The first message is served while other shards are still restored: readiness comes later.
	if err := waitServed(patience, n, 1, 2*time.Millisecond); err != nil {
		return nil, err
	}
	served := time.Since(killed)
	if err := n.WaitReady(patience); err != nil {
		return nil, err
	}
	return values{seconds: served.Seconds(), "readySeconds": time.Since(killed).Seconds()}, nil
}

// idleConfig is for an application to which nobody sends anything.
func (b *bench) idleConfig(functions string) (harness.NodeConfig, error) {
	port, err := harness.FreePort()
	if err != nil {
		return harness.NodeConfig{}, err
	}
	return b.nodeConfig(application{functions: functions, idlePort: port})
}

// measureIdle looks at a node that has nothing to do.
func measureIdle(ctx context.Context, b *bench) (values, error) {
	functions, url, err := b.startFunctions(ctx, lean)
	if err != nil {
		return nil, err
	}
	defer functions.Kill()
	config, err := b.idleConfig(url)
	if err != nil {
		return nil, err
	}
	n, _, err := startNode(ctx, config)
	if err != nil {
		return nil, err
	}
	defer n.Kill()
	before, err := readUsage(n.PID())
	if err != nil {
		return nil, err
	}
	const idle = 2 * time.Second
	if err := sleep(ctx, n, idle); err != nil {
		return nil, err
	}
	after, err := readUsage(n.PID())
	if err != nil {
		return nil, err
	}
	return values{
		residentMB: float64(after.resident) / 1e6, "cpuPercent": 100 * (after.cpu - before.cpu).Seconds() / idle.Seconds(),
	}, nil
}

// waitServed polls until the node has processed that many messages since its start.
func waitServed(ctx context.Context, n *harness.Node, messages float64, pause time.Duration) error {
	for {
		m, err := n.Metrics(ctx)
		if err == nil && m.Sum(metricMessages) >= messages {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-n.Ended():
			return fmt.Errorf("the node ended: %w", n.Err())
		case <-ctx.Done():
			return fmt.Errorf("%v of %v messages were served: %w", m.Sum(metricMessages), messages, ctx.Err())
		}
	}
}
