package awsclient_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/stateway/stateway/internal/awsclient"
)

func TestEveryAttemptIsCounted(t *testing.T) {
	bare(t)
	counter := awsclient.NewCounter()
	var mu sync.Mutex
	var calls []awsclient.Call
	synctest.Test(t, func(t *testing.T) {
		f := &fake{rules: []rule{
			{host: "sts.", status: 500, answer: failed, once: true},
			{host: "sts.", status: 200, answer: assumed},
			{host: "kinesis", status: 400, answer: `{"__type":"LimitExceededException"}`, once: true},
			{host: "kinesis", status: 200, answer: shards},
		}}
		cfg := load(t, awsclient.Options{
			Region: "eu-west-1", Credentials: keys, Transport: f, AssumeRole: &awsclient.Role{ARN: "arn:aws:iam::1:role/r"},
			Observe: func(c awsclient.Call) {
				mu.Lock()
				defer mu.Unlock()
				calls = append(calls, c)
				counter.Observe(c)
			},
		})
		if err := listShards(cfg); awsclient.Classify(err) != awsclient.Throttled {
			t.Fatal(err)
		}
		if err := listShards(cfg); err != nil {
			t.Fatal(err)
		}
	})
	want := []string{"STS AssumeRole transient", "STS AssumeRole ok", "Kinesis ListShards throttled", "Kinesis ListShards ok"}
	got := make([]string, 0, len(calls))
	for _, c := range calls {
		got = append(got, c.Service+" "+c.Operation+" "+c.Class.String())
		if (c.Err == nil) != (c.Class == awsclient.OK) || c.Took < 0 {
			t.Errorf("%+v", c)
		}
	}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := count(t, counter, map[string]string{"service": "Kinesis", "operation": "ListShards", "outcome": "throttled"}); n != 1 {
		t.Errorf("the counter says %v", n)
	}
}

// count reads one counter of stateway_aws_requests_total.
func count(t *testing.T, c prometheus.Collector, labels map[string]string) float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "stateway_aws_requests_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if matches(m, labels) {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func matches(m *dto.Metric, labels map[string]string) bool {
	for _, l := range m.GetLabel() {
		if labels[l.GetName()] != l.GetValue() {
			return false
		}
	}
	return len(m.GetLabel()) == len(labels)
}

func TestBackoffDoublesUpToItsLimit(t *testing.T) {
	half := awsclient.Backoff{Base: time.Second, Max: 5 * time.Second, Random: func() float64 { return 0.5 }}
	want := []time.Duration{500 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 2500 * time.Millisecond, 2500 * time.Millisecond}
	for failures, w := range want {
		if got := half.Delay(failures); got != w {
			t.Errorf("after %d failures: %s, want %s", failures, got, w)
		}
	}
	var zero awsclient.Backoff
	for _, failures := range []int{0, 1, 10, 1 << 40} {
		if got := zero.Delay(failures); got < 0 || got >= 20*time.Second {
			t.Errorf("after %d failures: %s", failures, got)
		}
	}
}
