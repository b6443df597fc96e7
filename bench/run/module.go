package main

import (
	"fmt"
	"strings"
)

// application is what a module.yaml of the bench says.
type application struct {
	functions string // URL of the function server; empty for embedded functions
	addresses int
	rate      int  // records a second; 0 means as fast as admitted
	single    bool // one message an invocation
	group     bool // many invocations a request
	// idlePort is for an application to which nobody sends anything: a playground ingress in place of the generator.
	idlePort int
}

// yaml returns the file.
func (a application) yaml() string {
	var b strings.Builder
	if a.functions != "" {
		fmt.Fprintf(&b, "kind: io.statefun.endpoints.v2/http\nspec:\n  functions: bench/*\n  urlPathTemplate: %s\n", a.functions)
		if a.single {
			b.WriteString("  maxNumBatchRequests: 1\n")
		}
		if a.group {
			b.WriteString("  batch: cloudevents\n  retry: {maxAttempts: 2}\n")
			b.WriteString("  onFailure: deadLetter\n  deadLetter: {egress: bench/dead}\n")
			b.WriteString("---\nkind: io.stateway.discard.v1/egress\nspec:\n  id: bench/dead\n")
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
