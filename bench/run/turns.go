package main

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/stateway/stateway/bench/counter"
	"github.com/stateway/stateway/test/harness"
)

// turn is how long some messages fail, and then none. What a node does differs more from run to run, and within a minute, than a few bad
// messages cost: neighbouring turns of one node are compared.
const turn = 4 * time.Second

// settle is how much of the beginning of a turn is not looked at: what failed in the turn before is tried again in it.
const settle = time.Second

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
	samples := make([][2]sample, 1+2*max(1, int(b.duration/(2*turn))))
	for i := range samples {
		for j, after := range [2]time.Duration{settle, turn} {
			if err := sleep(ctx, n, time.Until(first.Add(time.Duration(i)*turn+after))); err != nil {
				return nil, err
			}
			var err error
			if samples[i][j], err = takeSample(ctx, n, functions); err != nil {
				return nil, err
			}
		}
	}
	if err := <-profiled; err != nil {
		return nil, err
	}
	v, err := compare(samples[0][0], samples[len(samples)-1][1])
	if err != nil {
		return nil, err
	}
	return v, v.compareTurns(samples)
}

// compareTurns sets what every second turn, beginning with the second, is as a part of the geometric mean of its neighbours: the
// arithmetic one is the larger the more they differ, so that turns without any poison would come out below one. The others are compared with
// theirs, too, the other way round: a slow turn counts as much with poison as without. Of each turn there are a sample of its beginning and one of its end.
func (v values) compareTurns(samples [][2]sample) error {
	const bothMicros = "CPUMicrosPerMessage" // of node and functions
	turns := make([]values, len(samples))
	for i := range turns {
		var err error
		if turns[i], err = compare(samples[i][0], samples[i][1]); err != nil {
			return err
		}
		turns[i][bothMicros] = turns[i][nodeMicros] + turns[i][functionMicros]
	}
	for name, of := range map[string]string{poisonRate: messagesPerSecond, poisonCost: bothMicros} {
		var logs []float64
		sign := 1.
		for i := 1; i+1 < len(turns); i++ {
			logs = append(logs, sign*(math.Log(turns[i][of])-(math.Log(turns[i-1][of])+math.Log(turns[i+1][of]))/2))
			sign = -sign
		}
		v.geometric(name, logs)
	}
	return nil
}

// geometric sets a value to the mean of the ratios whose logarithms are given, and its standard error if there are two or more. Who comes to the
// machine or leaves it moves single ones far, so that the quarter at either end is left out; the error is that of such a mean (Tukey and McLaughlin,
// 1963). Two ratios in a row have two turns in common, and two with one between them have one, which makes the square of the error up to 8/3 times
// as large as if they had none.
func (v values) geometric(name string, logs []float64) {
	logs = slices.Sorted(slices.Values(logs))
	cut := len(logs) / 4
	low, high := logs[cut], logs[len(logs)-1-cut]
	left, middle, all := float64(len(logs)-2*cut), 0.0, 0.0
	for _, x := range logs[cut : len(logs)-cut] {
		middle += x / left
	}
	for i := range logs {
		logs[i] = min(max(logs[i], low), high)
		all += logs[i] / float64(len(logs))
	}
	squares := 0.0
	for _, x := range logs {
		squares += (x - all) * (x - all)
	}
	v[name] = math.Exp(middle)
	if left > 1 {
		v[name+"Error"] = math.Sqrt(8. / 3 * squares / (left * (left - 1)))
	}
}
