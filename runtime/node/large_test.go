package node_test

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
	source "github.com/stateway/stateway/runtime/ingress/memory"
)

// noise is bytes that do not compress; they depend on n only.
func noise(n, size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(b)
	return b
}

// largeFunctions keep what they are sent (test/keep), pass on what they keep (test/pass) and keep the checksum of what they keep (test/sum).
func largeFunctions() *stateway.App {
	sum := stateway.Value[int64]("sum")
	app := stateway.New()
	app.Function("test/large", func(ctx *stateway.Context, msg stateway.Message) error {
		if msg.TypeName() == "test/keep" {
			content.Set(ctx, msg.Bytes())
			return nil
		}
		kept, err := content.Get(ctx)
		if err != nil {
			return err
		}
		if msg.TypeName() == "test/pass" {
			ctx.Send(stateway.FunctionType("test/large").At("copy of "+ctx.Self().ID), stateway.RawPayload("test/keep", kept))
			return nil
		}
		sum.Set(ctx, int64(crc32.ChecksumIEEE(kept)))
		return nil
	}, content, sum)
	return app
}

// checkContent waits until the stored content of an Address is what it should be.
func (x *running) checkContent(typ core.FunctionType, id string, want []byte) {
	x.t.Helper()
	sum := crc32.ChecksumIEEE(want)
	x.eventually("the content of "+id+" is right", func() bool {
		states, _, err := x.State(core.Address{Type: typ, ID: id})
		if err != nil {
			x.t.Fatal(err)
		}
		for _, s := range states {
			if s.Name == "content" && s.Value != nil {
				m, err := stateway.ParseTypedValue(s.Value)
				return err == nil && crc32.ChecksumIEEE(m.Bytes()) == sum
			}
		}
		return false
	})
}

// States and messages of 16 MiB go through a node with the least memory that there is, and come back from the bucket alone. (Smaller ones to embedded
// functions, which differ by the transport alone: the race detector takes longer over these than all else does.)
func TestValuesOf16MiB(t *testing.T) {
	for size, open := range map[int]func(t *testing.T) *rig{
		4 << 20: func(t *testing.T) *rig { return newRig(t, largeFunctions()) },
		16 << 20: func(t *testing.T) *rig {
			server := httptest.NewServer(largeFunctions())
			t.Cleanup(server.Close)
			return newRig(t, stateway.New(), fmt.Sprintf(
				"kind: io.statefun.endpoints.v2/http\nspec: {functions: test/*, urlPathTemplate: %q}\n", server.URL))
		},
	} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			r := open(t)
			r.config.Memory = 16 << 20
			log := source.NewLog(source.Options{Router: ingress.Targets("test/large")})
			log.AddPartition("p")
			r.reads("test/log", log)
			ids := []string{"a", "b"}
			want := func(i int) []byte { return noise(i, size-i) }
			x := r.start().ready()
			for i, id := range ids {
				log.Append("p", ingress.Record{Key: id, Typename: "test/keep", Value: want(i)}, ingress.Record{Key: id, Typename: "test/pass"})
			}
			for i, id := range ids {
				x.checkContent("test/large", "copy of "+id, want(i))
			}
			x.kill()
			if err := os.RemoveAll(r.config.Data); err != nil {
				t.Fatal(err)
			}
			x = r.start().ready()
			for i, id := range ids {
				x.checkContent("test/large", id, want(i))
				log.Append("p", ingress.Record{Key: "copy of " + id, Typename: "test/sum"})
			}
			for i, id := range ids {
				sum := int64(crc32.ChecksumIEEE(want(i)))
				x.eventually("the function sees "+id, func() bool { return x.number("test/large", "copy of "+id, "sum") == sum })
			}
		})
	}
}

// alive are the bytes of live objects.
func alive() uint64 {
	runtime.GC() // what a collection under way took for alive is gone with the next
	runtime.GC()
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// State far larger than the memory: 80 MiB through a node with the least memory that there is, written once, given to its function again after
// a restart, and read back after one without the disk.
func TestStateLargerThanMemory(t *testing.T) {
	const (
		size, addresses, memory = 128 << 10, 640, 16 << 20
		counted                 = 3*memory/2 + 2*64*size // what is counted at a time: both workers learn from 64 answers how large they are
		live                    = 2*memory + 32<<20      // of objects: what a node takes before it holds anything is not counted
	)
	app := stateway.New()
	app.Function("test/big", func(ctx *stateway.Context, msg stateway.Message) error {
		var i int
		if _, err := fmt.Sscan(ctx.Self().ID, &i); err != nil {
			return err
		}
		switch old, err := content.Get(ctx); {
		case err != nil:
			return err
		case len(old) == 0:
			content.Set(ctx, noise(i, size))
		case crc32.ChecksumIEEE(old) != crc32.ChecksumIEEE(noise(i, size)):
			return fmt.Errorf("%s was given another value than it had", ctx.Self())
		}
		return increment(ctx, msg)
	}, content, count)
	r := newRig(t, app)
	r.config.Shards, r.config.Memory, r.config.CheckpointEvery = 16, memory, 100*time.Millisecond
	log := source.NewLog(source.Options{Router: ingress.Targets("test/big")})
	log.AddPartition("p")
	r.reads("test/log", log)
	check := func(x *running) {
		t.Helper()
		for i := range addresses {
			x.checkContent("test/big", fmt.Sprint(i), noise(i, size))
		}
	}
	most, before := 0.0, alive() // bytes, by the node's own account and by the collector's
	round := func(x *running, n int64) {
		t.Helper()
		for i := range addresses {
			log.Append("p", record(fmt.Sprint(i)))
		}
		for i := range addresses {
			x.eventually(fmt.Sprintf("%d counts %d", i, n), func() bool {
				most = max(most, x.metric("stateway_memory_bytes"))
				return x.number("test/big", fmt.Sprint(i), "count") == n
			})
		}
		x.eventually("memory is let go", func() bool { return alive() < before+live })
		if failures := x.metric("stateway_failures_total"); failures > 0 {
			t.Errorf("%v tries failed", failures)
		}
	}

	x := r.start().ready()
	round(x, 1)
	x.kill()
	x = r.start().ready()
	check(x)
	round(x, 2)
	x.kill()
	if err := os.RemoveAll(r.config.Data); err != nil {
		t.Fatal(err)
	}
	x = r.start().ready()
	check(x)
	x.kill()
	if most > counted {
		t.Errorf("the node counted %.0f MiB at a time, more than %d MiB, with a memory of %d MiB", most/(1<<20), counted>>20, memory>>20)
	}
	t.Logf("at most %.0f MiB by the node's account, of %d MiB of state", most/(1<<20), size*addresses>>20)
}
