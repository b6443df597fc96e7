// Command run is the bench: it builds the load tools, runs the real binary with each row's load, and prints one table and one JSON
// file.
//
// A row is a node, a function server and a generator inside the node, on this machine; it runs with shipped defaults. What is
// measured is read from outside: the node's own counters before and after (names.go), CPU time and memory of the processes from
// /proc. The targets beside the results are what the project wants to reach; nothing here fails because of a slow machine.
//
//	go run ./bench/run -stateway bin/stateway
//	go run ./bench/run -rows http,http-hot -duration 30s
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stateway/stateway/test/harness"
)

// settings are the flags.
type settings struct {
	binary      string
	rows        []string
	warm        time.Duration
	duration    time.Duration
	invocations int64
	records     int
	json        string
	profiles    string // a folder; empty takes none
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	harness.Cleanup()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	s, err := parseFlags()
	if err != nil {
		return err
	}
	b, err := newBench(s)
	if err != nil {
		return err
	}
	defer b.close()
	results := report{Machine: describeMachine(ctx), Started: time.Now(), Settings: s.describe()}
	for _, r := range rows() {
		if len(s.rows) > 0 && !slices.Contains(s.rows, r.name) {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fmt.Fprintf(os.Stderr, "%s: %s\n", r.name, r.about)
		b.row = r.name
		values, err := r.measure(ctx, b)
		result := rowResult{Name: r.name, About: r.about, Reach: r.reach, Aim: r.aim, Values: values}
		if err != nil {
			result.Error = err.Error()
			fmt.Fprintf(os.Stderr, "%s: %v\n", r.name, err)
		}
		results.Rows = append(results.Rows, result)
	}
	results.print(os.Stdout)
	if err := results.write(s.json); err != nil {
		return err
	}
	fmt.Printf("\nwritten to %s\n", s.json)
	if failed := results.failed(); len(failed) > 0 {
		return fmt.Errorf("not measured: %s", strings.Join(failed, ", "))
	}
	return nil
}

func parseFlags() (settings, error) {
	var s settings
	var only string
	flag.StringVar(&s.binary, "stateway", "", "the stateway binary; empty builds it")
	flag.StringVar(&only, "rows", "", "comma-separated rows to run; empty means all, of which none needs more than a minute on a quiet machine: "+strings.Join(rowNames(), ","))
	flag.DurationVar(&s.warm, "warm", 3*time.Second, "how long each load runs before it is measured")
	flag.DurationVar(&s.duration, "duration", 10*time.Second, "how long each load is measured")
	flag.Int64Var(&s.invocations, "invocations", 1_000_000, "how many invocations precede the kill -9 of the row recovery")
	flag.IntVar(&s.records, "records", 60_000, "how many records the row kinesis moves, at most 80,000: kinesalite keeps each twice, at 6 kB; kinesis-aggregated moves ten times as many")
	flag.StringVar(&s.json, "json", "bin/bench.json", "where the JSON goes; its folder is made")
	flag.StringVar(&s.profiles, "profiles", "", "a folder for a CPU profile of the node under each load, ROW.pprof; a profiled row is a few hundredths slower")
	flag.Parse()
	if s.records < 1 || s.records > maxRecords {
		return s, fmt.Errorf("-records is %d, want 1 to %d", s.records, maxRecords)
	}
	for name := range strings.SplitSeq(only, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if !slices.Contains(rowNames(), name) {
			return s, fmt.Errorf("no row is called %q; there are: %s", name, strings.Join(rowNames(), ", "))
		}
		s.rows = append(s.rows, name)
	}
	return s, nil
}

func (s settings) describe() map[string]any {
	return map[string]any{
		"warmSeconds": s.warm.Seconds(), "seconds": s.duration.Seconds(), "recoveryInvocations": s.invocations, "kinesisRecords": s.records,
	}
}
