package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/stateway/stateway/test/harness"
)

// application is what a module.yaml of the bench says.
type application struct {
	functions string // URL of the function server; empty for embedded functions
	addresses int
	rate      int  // records a second; 0 means as fast as admitted
	single    bool // one message an invocation
	group     bool // many invocations a request
	lambda    bool // functions is the endpoint of Lambda
	linger    time.Duration
	// idlePort is for an application to which nobody sends anything: a playground ingress in place of the generator.
	idlePort int
	// stream is the endpoint of a Kinesis server: from its stream in to its stream out, and no generator.
	stream     string
	aggregates bool // out goes in aggregates
}

// givesUp ends an endpoint: what fails twice is dead-lettered.
const givesUp = "  retry: {maxAttempts: 2}\n  onFailure: deadLetter\n  deadLetter: {egress: bench/dead}\n" +
	"---\nkind: io.stateway.discard.v1/egress\nspec:\n  id: bench/dead\n"

// yaml returns the file.
func (a application) yaml() string {
	if a.stream != "" {
		return a.streams()
	}
	var b strings.Builder
	switch {
	case a.lambda:
		fmt.Fprintf(&b, "kind: io.stateway.endpoints.v1/lambda\nspec:\n  functions: bench/*\n  function: counter\n")
		fmt.Fprintf(&b, "  awsRegion: {type: custom-endpoint, id: us-east-1, endpoint: %q}\n", strings.TrimSuffix(a.functions, "/"))
		fmt.Fprintf(&b, "  awsCredentials: {type: basic, accessKeyId: any, secretAccessKey: any}\n  group: {linger: %s}\n", a.linger)
		b.WriteString(givesUp + "---\n")
	case a.functions != "":
		fmt.Fprintf(&b, "kind: io.statefun.endpoints.v2/http\nspec:\n  functions: bench/*\n  urlPathTemplate: %s\n", a.functions)
		if a.single {
			b.WriteString("  maxNumBatchRequests: 1\n")
		}
		if a.group {
			b.WriteString("  batch: cloudevents\n" + givesUp)
		}
		b.WriteString("---\n")
	}
	if a.idlePort > 0 {
		fmt.Fprintf(&b, "kind: io.statefun.playground.v1/ingress\nspec:\n  port: %d\n", a.idlePort)
	} else {
		b.WriteString("kind: io.stateway.generator.v1/ingress\nspec:\n  id: bench/in\n  partitions: 4\n  seed: 1\n")
		fmt.Fprintf(&b, "  value: timestamp\n  targets: [bench/counter]\n  ids: {prefix: user-, count: %d}\n", a.addresses)
	}
	if a.rate > 0 {
		fmt.Fprintf(&b, "  rate: %d\n", a.rate)
	}
	b.WriteString("---\nkind: io.stateway.discard.v1/egress\nspec:\n  id: bench/out\n")
	return b.String()
}

func (a application) streams() string {
	login := fmt.Sprintf("awsRegion: {type: custom-endpoint, id: %s, endpoint: %q}\n", harness.KinesisRegion, a.stream) +
		fmt.Sprintf("  awsCredentials: {type: basic, accessKeyId: %s, secretAccessKey: %s}\n", harness.KinesisAccessKey, harness.KinesisSecretKey)
	return fmt.Sprintf(`kind: io.statefun.kinesis.v1/ingress
spec:
  id: bench/in
  %[1]s  startupPosition: {type: earliest}
  streams:
    - {stream: %[2]s, valueType: bench/record, targets: [bench/forward]}
---
kind: io.statefun.kinesis.v1/egress
spec:
  id: bench/stream
  %[1]s  aggregation: %[3]t
`, login, streamIn, a.aggregates)
}
