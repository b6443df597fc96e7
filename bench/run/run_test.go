package main

import (
	"bufio"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stateway/stateway/internal/kpl"
	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/test/harness"
)

func TestModulesAreValid(t *testing.T) {
	for name, a := range map[string]application{
		"http":     {functions: "http://127.0.0.1:8000/", addresses: 100_000},
		"paced":    {functions: "http://127.0.0.1:8000/", addresses: 100_000, rate: 2500, single: true},
		"idle":     {functions: "http://127.0.0.1:8000/", idlePort: 8090},
		"embedded": {addresses: 100_000},
		"streams":  {stream: "http://127.0.0.1:4567", aggregates: true},
	} {
		opts := module.Options{Strict: true}
		if a.functions == "" {
			opts.Embedded, opts.Functions = true, []string{"bench/counter", "bench/forward"}
		}
		if _, _, err := module.Parse(opts, module.Source{Name: name, Data: []byte(a.yaml())}); err != nil {
			t.Errorf("%s: %v\n%s", name, err, a.yaml())
		}
	}
}

func TestCompare(t *testing.T) {
	parse := func(text string) harness.Metrics {
		m, err := harness.ParseMetrics([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	start := time.Now()
	before := sample{
		at: start, node: usage{cpu: time.Second}, functions: usage{cpu: time.Second},
		metrics: parse(metricMessages + " 100\n" + metricRequests + "{endpoint=\"a\"} 50\n"),
	}
	after := sample{
		at: start.Add(2 * time.Second), node: usage{cpu: 3 * time.Second, resident: 5e6, peak: 7e6}, functions: usage{cpu: 1500 * time.Millisecond},
		metrics: parse(strings.Join([]string{
			metricMessages + `{function="x"} 1000`, metricMessages + `{function="y"} 100`, metricRequests + `{endpoint="a"} 550`,
			metricSegmentBytes + " 1200", metricRowBytes + " 1000", metricStoredBytes + " 600",
			metricEgressAge + `_bucket{le="0.001"} 500`, metricEgressAge + `_bucket{le="0.002"} 1000`, metricEgressAge + `_bucket{le="+Inf"} 1000`,
		}, "\n")),
	}
	got, err := compare(before, after)
	if err != nil {
		t.Fatal(err)
	}
	want := values{
		messagesPerSecond: 500, requestsPerSecond: 250, messagesPerRequest: 2, nodeMicros: 2000, functionMicros: 500,
		residentMB: 5, peakMB: 7, segmentRatio: 1.2, storedRatio: 0.6, storedBytesPerMessage: 0.6, latencyP50: 1, latencyP99: 1.98,
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if _, err := compare(before, before); err == nil {
		t.Error("no error for a node that did nothing")
	}
}

func TestCompareTurns(t *testing.T) {
	samples := make([][2]sample, 5)
	at, messages, cpu := time.Now(), 0, time.Duration(0)
	take := func(passed time.Duration, more int) sample {
		at, messages, cpu = at.Add(passed), messages+more, cpu+time.Second
		m, err := harness.ParseMetrics([]byte(fmt.Sprintf("%s %d\n%s %d\n", metricMessages, messages, metricRequests, messages)))
		if err != nil {
			t.Fatal(err)
		}
		return sample{at: at, metrics: m, node: usage{cpu: cpu}, functions: usage{cpu: 2 * cpu}}
	}
	for i, rate := range []int{1000, 700, 2000, 800, 2000} { // messages in the part of the turn that counts
		samples[i] = [2]sample{take(settle, 1e6), take(turn-settle, rate)}
	}
	v := values{}
	if err := v.compareTurns(samples); err != nil {
		t.Fatal(err)
	}
	if got, want := v[poisonRate], math.Cbrt(700/math.Sqrt(1000*2000)*800/2000*math.Sqrt(700*800)/2000); math.Abs(got-want) > 1e-9 {
		t.Errorf("turns with poison had %v of the messages, want %v", got, want)
	}
	if got, want := v[poisonCost], math.Cbrt(math.Sqrt(1000*2000)/700*2000/800*2000/math.Sqrt(700*800)); math.Abs(got-want) > 1e-9 {
		t.Errorf("turns with poison had %v times the CPU time a message, want %v", got, want)
	}
	if err := v.compareTurns(append(samples, [2]sample{samples[4][1], samples[4][1]})); err == nil {
		t.Error("no error for a turn without messages")
	}
}

func TestGeometric(t *testing.T) {
	v := values{}
	v.geometric("a", []float64{math.Log(2), math.Log(8)})
	v.geometric("b", []float64{math.Log(3)})
	want := values{"a": 4, "aError": math.Log(2) * math.Sqrt(8./3), "b": 3}
	if diff := cmp.Diff(want, v, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	v.geometric("c", []float64{9, 0, 0.1, 0.2, 0.3, -9, 0.4, -0.1}) // cut to 0, 0.1, 0.2, 0.3
	if want := math.Exp(0.15); math.Abs(v["c"]-want) > 1e-9 {
		t.Errorf("the middle ratio is %v, want %v", v["c"], want)
	}
	if want := math.Sqrt(8. / 3 * 0.14 / (4 * 3)); math.Abs(v["cError"]-want) > 1e-9 { // 0, 0, 0, 0.1, 0.2, 0.3, 0.3, 0.3 around 0.15
		t.Errorf("its error is %v, want %v", v["cError"], want)
	}
}

func TestUsage(t *testing.T) {
	cpu, err := parseCPU([]byte("42 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0"))
	if err != nil || cpu != 2*time.Second {
		t.Errorf("got %v, %v, want 2s", cpu, err)
	}
	for _, bad := range []string{"", "42 (a", "42 (a) S 1 2", "42 (a) S 1 2 3 4 5 6 7 8 9 10 x 50"} {
		if _, err := parseCPU([]byte(bad)); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
	size, err := parseKB([]byte("Name:\tx\nVmRSS:\t   12 kB\n"), "VmRSS:")
	if err != nil || size != 12*1024 {
		t.Errorf("got %v, %v, want 12288", size, err)
	}
	for _, bad := range []string{"", "VmRSS:", "VmRSS: x kB"} {
		if _, err := parseKB([]byte(bad), "VmRSS:"); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

func TestSkipAnswer(t *testing.T) {
	const whole = "HTTP/1.1 200 OK\r\nContent-Type: x\r\nContent-Length: 3\r\n\r\nabc"
	r := bufio.NewReader(strings.NewReader(whole + "next"))
	if err := skipAnswer(r); err != nil {
		t.Fatal(err)
	}
	if rest, _ := r.ReadString(0); rest != "next" {
		t.Errorf("%q is left, want next", rest)
	}
	for _, bad := range []string{"", whole[:20], "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"} {
		if err := skipAnswer(bufio.NewReader(strings.NewReader(bad))); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

func TestReport(t *testing.T) {
	var out strings.Builder
	report{Machine: machine{CPU: "cpu", Cores: 2}, Rows: []rowResult{
		{Name: "http", About: "load", Reach: "45,000/s", Values: values{messagesPerSecond: 50_000, nodeMicros: 12.34, baseBytesPerMessage: 3}},
		{Name: "embedded", About: "other", Error: "not there\nmore"},
	}}.print(&out)
	for _, want := range []string{"50000", "12.3", "45,000/s", "http: load (baseBytesPerMessage 3)", "embedded: other (not measured: not there)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestCompareStreams(t *testing.T) {
	at := func(after, cpu, server time.Duration, text string) sample {
		m, err := harness.ParseMetrics([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return sample{at: time.Unix(0, 0).Add(after), metrics: m, node: usage{cpu: cpu, resident: 5e6, peak: 7e6}, functions: usage{cpu: server}}
	}
	before := at(0, time.Second, 2*time.Second, metricMessages+" 0\n")
	counted := at(time.Second, 2*time.Second, 3*time.Second, metricMessages+" 1000\n")
	written := at(2*time.Second, 3*time.Second, 5*time.Second, metricMessages+" 1000\n"+metricStreamRecords+" 1000\n"+metricStreamCalls+" 10\n")
	got, err := compareStreams(before, counted, written)
	if err != nil {
		t.Fatal(err)
	}
	want := values{
		messagesPerSecond: 1000, recordsInPerSecond: 1000, recordsOutPerSecond: 500, nodeMicros: 2000, serverMicros: 3000,
		nodeCores: 1, serverCores: 1.5, residentMB: 5, peakMB: 7, seconds: 2, recordsPerCall: 100,
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Error(diff)
	}
	if _, err := compareStreams(before, before, before); err == nil {
		t.Error("no error for a node that did nothing after it was ready")
	}
}

// An aggregate whose records are another shard's would be dropped, and its row would never end.
func TestShardOf(t *testing.T) {
	for shard := range kinesisShards {
		low := kpl.Hash{Hi: uint64(shard) << 60} //nolint:gosec // at most 15
		high := kpl.Hash{Hi: low.Hi + (1<<60 - 1), Lo: 1<<64 - 1}
		n := 0
		for i := range 1000 {
			key := keyOf(i)
			within := kpl.HashOf(key).Within(low, high)
			if within != (shardOf(key) == shard) {
				t.Fatalf("%s: shard %d, and within the hashes of %d: %v", key, shardOf(key), shard, within)
			}
			if within {
				n++
			}
		}
		if n == 0 {
			t.Errorf("no key in shard %d", shard)
		}
	}
}
