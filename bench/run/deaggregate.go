package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/stateway/stateway/internal/kpl"
)

// perAggregate is how many records the aggregates of the row deaggregate hold: 4 times as many as fit into the smallest unit that Kinesis
// bills, 25 kB, and a tenth of what fits into a record.
const perAggregate = 1000

// measureDeaggregate takes aggregates apart on one core: checksum, tables and records of 100 bytes. Messages a second are by the clock;
// those a second of CPU time do not depend on what else the machine does.
func measureDeaggregate(ctx context.Context, b *bench) (values, error) {
	var a kpl.Aggregator
	data := recordData()
	for i := range perAggregate {
		a.Add(keyOf(i%50), "", data)
	}
	aggregate := a.AppendTo(nil)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := readUsage(os.Getpid())
	if err != nil {
		return nil, err
	}
	var opened kpl.Aggregate
	n, start, lasts := 0, time.Now(), min(b.duration, 3*time.Second)
	for time.Since(start) < lasts {
		for range 100 {
			if err := takeApart(&opened, aggregate); err != nil {
				return nil, err
			}
		}
		n += 100 * perAggregate
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	took := time.Since(start).Seconds()
	after, err := readUsage(os.Getpid())
	if err != nil {
		return nil, err
	}
	cpu := (after.cpu - before.cpu).Seconds()
	return values{
		messagesPerSecond: float64(n) / took, recordsPerCPUSecond: float64(n) / cpu, nodeMicros: cpu * 1e6 / float64(n),
		megabytesPerSecond: float64(n/perAggregate*len(aggregate)) / took / 1e6,
	}, nil
}

func takeApart(a *kpl.Aggregate, aggregate []byte) error {
	if _, err := a.Open(aggregate); err != nil {
		return err
	}
	n := 0
	for _, ok := a.Next(); ok; _, ok = a.Next() {
		n++
	}
	if n != perAggregate {
		return fmt.Errorf("an aggregate of %d records gave %d", perAggregate, n)
	}
	return nil
}
