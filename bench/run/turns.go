package main

import (
	"context"
	"math"
	"time"

	"github.com/stateway/stateway/bench/counter"
	"github.com/stateway/stateway/test/harness"
)

// turn is how long some messages fail, and then none. What a node does differs more from run to run, and within a minute, than a few bad
// messages cost: neighbouring turns of one node are compared.
const turn = 2 * time.Second

// measureTurns returns the row's values, with what the turns in which messages fail say about the others.
func (b *bench) measureTurns(ctx context.Context, n *harness.Node, functions *harness.Process) (values, error) {
	samples := make([]sample, 1+2*max(1, int(b.duration/(2*turn))))
	first := time.Now().Truncate(turn).Add(turn)
	for i := range samples {
		if err := sleep(ctx, n, time.Until(first.Add(time.Duration(i)*turn))); err != nil {
			return nil, err
		}
		var err error
		if samples[i], err = takeSample(ctx, n, functions); err != nil {
			return nil, err
		}
	}
	v, err := compare(samples[0], samples[len(samples)-1])
	if err != nil {
		return nil, err
	}
	var rates, costs []float64
	for i := 0; i+2 < len(samples); i += 2 {
		one, err := compare(samples[i], samples[i+1])
		if err != nil {
			return nil, err
		}
		other, err := compare(samples[i+1], samples[i+2])
		if err != nil {
			return nil, err
		}
		poisoned, clean := one, other
		if !counter.PoisonTurn(samples[i].at.Add(turn/2).UnixNano(), turn) {
			poisoned, clean = other, one
		}
		rates = append(rates, math.Log(poisoned[messagesPerSecond]/clean[messagesPerSecond]))
		costs = append(costs, math.Log(poisoned[nodeMicros]/clean[nodeMicros]))
	}
	v.geometric(poisonRate, rates)
	v.geometric(poisonCost, costs)
	return v, nil
}

// geometric sets a value to the mean of the ratios whose logarithms are given, and its standard error if there are two or more.
func (v values) geometric(name string, logs []float64) {
	mean, squares := 0.0, 0.0
	for _, x := range logs {
		mean += x / float64(len(logs))
	}
	for _, x := range logs {
		squares += (x - mean) * (x - mean)
	}
	v[name] = math.Exp(mean)
	if n := float64(len(logs)); n > 1 {
		v[name+"Error"] = math.Sqrt(squares / (n - 1) / n)
	}
}
