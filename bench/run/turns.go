package main

import (
	"context"
	"math"
	"time"

	"github.com/stateway/stateway/bench/counter"
	"github.com/stateway/stateway/test/harness"
)

// turn is how long some messages fail, and then none. What a node does differs more from run to run, and within a minute, than a few bad
// messages cost: neighbouring turns of one node are compared. What is tried again after a pause costs something in the next turn, so the ratio is
// rather too good.
const turn = 2 * time.Second

// measureTurns returns the row's values, with what the turns in which messages fail say about those before and after them.
func (b *bench) measureTurns(ctx context.Context, n *harness.Node, functions *harness.Process) (values, error) {
	first := time.Now().Add(turn)
	first = time.Unix(0, first.UnixNano()/int64(turn)*int64(turn))
	if counter.PoisonTurn(first.UnixNano(), turn) {
		first = first.Add(turn)
	}
	if err := sleep(ctx, n, time.Until(first)); err != nil {
		return nil, err
	}
	profiled := b.profile(ctx, n)
	samples := make([]sample, 2+2*max(1, int(b.duration/(2*turn))))
	for i := range samples {
		if err := sleep(ctx, n, time.Until(first.Add(time.Duration(i)*turn))); err != nil {
			return nil, err
		}
		var err error
		if samples[i], err = takeSample(ctx, n, functions); err != nil {
			return nil, err
		}
	}
	if err := <-profiled; err != nil {
		return nil, err
	}
	v, err := compare(samples[0], samples[len(samples)-1])
	if err != nil {
		return nil, err
	}
	return v, v.compareTurns(samples)
}

// compareTurns sets what every second turn, beginning with the second, is as a part of the mean of its neighbours.
func (v values) compareTurns(samples []sample) error {
	turns := make([]values, len(samples)-1)
	for i := range turns {
		var err error
		if turns[i], err = compare(samples[i], samples[i+1]); err != nil {
			return err
		}
	}
	for name, of := range map[string]string{poisonRate: messagesPerSecond, poisonCost: nodeMicros} {
		var logs []float64
		for i := 1; i+1 < len(turns); i += 2 {
			logs = append(logs, math.Log(2*turns[i][of]/(turns[i-1][of]+turns[i+1][of])))
		}
		v.geometric(name, logs)
	}
	return nil
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
