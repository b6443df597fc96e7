package node_test

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"testing"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
	source "github.com/stateway/stateway/runtime/ingress/memory"
)

const (
	blobSize      = 256 << 10
	blobAddresses = 40
)

var content = stateway.ValueOf("content", stateway.Bytes)

// newBlobs makes a rig with large states in a single shard, so that it outgrows its base soon.
func newBlobs(t *testing.T) (*source.Log, *rig) {
	t.Helper()
	app := stateway.New()
	app.Function("test/blob", func(ctx *stateway.Context, msg stateway.Message) error {
		content.Set(ctx, msg.Bytes())
		return increment(ctx, msg)
	}, content, count)
	r := newRig(t, app)
	r.config.Shards = 1
	log := source.NewLog(source.Options{Router: ingress.Targets("test/blob")})
	log.AddPartition("p")
	r.reads("test/log", log)
	return log, r
}

// blob is a record of bytes that do not compress; they depend on n only.
func blob(n int) ingress.Record {
	random := rand.New(rand.NewPCG(uint64(n), 1)) //nolint:gosec // a test
	b := make([]byte, blobSize)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return ingress.Record{Key: fmt.Sprint(n % blobAddresses), Typename: "test/blob", Value: b}
}

// nudge makes something move, so that there is another checkpoint.
func nudge(log *source.Log) bool {
	log.Append("p", ingress.Record{Key: "nudge", Typename: "test/blob"})
	return false
}

// checkBlobs starts the rig without its disk and looks whether all states are those of the last records.
func checkBlobs(t *testing.T, r *rig, sent int) {
	t.Helper()
	if err := os.RemoveAll(r.config.Data); err != nil {
		t.Fatal(err)
	}
	x := r.start().ready()
	for n := max(0, sent-blobAddresses); n < sent; n++ {
		id := fmt.Sprint(n % blobAddresses)
		want := crc32.ChecksumIEEE(blob(n).Value)
		x.eventually("blob "+id+" is right", func() bool {
			states, _, err := x.State(core.Address{Type: "test/blob", ID: id})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range states {
				if s.Name == "content" && s.Value != nil {
					m, err := stateway.ParseTypedValue(s.Value)
					return err == nil && crc32.ChecksumIEEE(m.Bytes()) == want
				}
			}
			return false
		})
	}
}
