package node

import (
	"context"
	"testing"

	"github.com/stateway/stateway/runtime/checkpoint/membucket"
	"github.com/stateway/stateway/runtime/core"
)

// Asked to end before it leads, a node ends without an error and without a claim.
func TestRunEndsBeforeItLeads(t *testing.T) {
	bucket := &membucket.Bucket{}
	n, err := New(Config{
		Data: t.TempDir(), Bucket: bucket, Application: "a",
		Parts: Parts{EndpointOf: func(core.FunctionType) (core.EndpointID, bool) { return 0, false }},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.Run(ctx); err != nil {
		t.Error(err)
	}
	if keys, err := bucket.List(t.Context(), "a/control", "", 10); err != nil || len(keys) > 0 {
		t.Errorf("the control log holds %v (%v)", keys, err)
	}
	if n.Nonce() != "" || n.Waiting() == "" {
		t.Errorf("nonce %q, waiting %q", n.Nonce(), n.Waiting())
	}
}
