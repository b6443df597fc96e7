package awsclient

import "github.com/prometheus/client_golang/prometheus"

// Counter counts calls by service, operation and outcome: a prometheus.Collector. Make it with NewCounter.
type Counter struct{ calls *prometheus.CounterVec }

// NewCounter makes a counter without calls.
func NewCounter() *Counter {
	return &Counter{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "stateway_aws_requests_total",
		Help: "Attempts of calls to AWS services, by service, operation and outcome.",
	}, []string{"service", "operation", "outcome"})}
}

// Observe counts a call: it is an Options.Observe.
func (c *Counter) Observe(call Call) {
	c.calls.WithLabelValues(call.Service, call.Operation, call.Class.String()).Inc()
}

// Describe implements prometheus.Collector.
func (c *Counter) Describe(out chan<- *prometheus.Desc) { c.calls.Describe(out) }

// Collect implements prometheus.Collector.
func (c *Counter) Collect(out chan<- prometheus.Metric) { c.calls.Collect(out) }
