package kinesis_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/stateway/stateway/internal/envelope"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
	"github.com/stateway/stateway/runtime/egress/kinesis"
)

func publisher(t *testing.T, o kinesis.Options) *kinesis.Publisher {
	t.Helper()
	p, err := kinesis.OpenPublisher(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	if n, err := p.Published(t.Context(), 0); n != 0 || err != nil {
		t.Fatalf("published %d, %v", n, err)
	}
	return p
}

// keyed gives records their places in the outbox.
func keyed(recs []egress.Record, gen core.Generation) []egress.Record {
	for i := range recs {
		recs[i].Shard, recs[i].Key, recs[i].Generation = 3, core.OutboxKey{Epoch: 7, Seq: core.Seq(i + 1)}, gen //nolint:gosec // small
	}
	return recs
}

// Two processes publish the same checkpoint: same ids, same bytes, though the generation is another one.
func TestRepeatsAreEqual(t *testing.T) {
	for _, env := range []kinesis.Envelope{kinesis.EnvelopeStateway, kinesis.EnvelopeCloudEvents, kinesis.EnvelopeNone} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(1)
			s := f.create("s", 2)
			var tries [2][]user
			for i := range tries {
				o := options(f)
				o.Envelope = env
				recs := append(many(t, "s", 20, 4, `{"x":1}`), egress.Record{Typename: "io.statefun.types/string", Value: []byte("\x0a\x02hi")})
				s.records = nil
				if err := publisher(t, o).Publish(t.Context(), 0, 7, keyed(recs, core.Generation(i+1))); err != nil { //nolint:gosec // small
					t.Fatal(err)
				}
				tries[i] = f.users("s")
			}
			for _, u := range tries[0] {
				if env == kinesis.EnvelopeStateway {
					if e, err := envelope.DecodeStateway([]byte(u.data)); err != nil || !strings.HasPrefix(e.ID, "ab000000000000000000000000000000-3-7-") || strings.Contains(e.ID, "g") {
						t.Errorf("envelope %+v, %v", e, err)
					}
				}
				if n := count(tries[1], u); n != count(tries[0], u) {
					t.Errorf("%s: %q is there %d times in the second try", env, u.data, n)
				}
			}
			if len(tries[0]) != 21 || len(tries[1]) != 21 {
				t.Errorf("%d and %d records", len(tries[0]), len(tries[1]))
			}
		})
	}
}

func count(users []user, u user) (n int) {
	for _, o := range users {
		if o == u {
			n++
		}
	}
	return n
}

func TestPublishErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		f.create("s", 1)
		f.create("other", 1)
		f.size = 3000
		f.faults.latency = time.Millisecond
		fatal := error(&types.ResourceNotFoundException{})
		f.putErr = func(in *sdk.PutRecordsInput) error {
			if *in.StreamName == "s" {
				return fatal
			}
			return nil
		}
		p := publisher(t, options(f))
		recs := keyed(append(many(t, "s", 5, 5, "x"), many(t, "other", 50, 2, "y")...), 1)
		err := p.Publish(t.Context(), 0, 7, recs)
		var gone *types.ResourceNotFoundException
		if !errors.As(err, &gone) {
			t.Fatalf("error %v", err)
		}
		if n := len(f.users("other")); n != 50 {
			t.Errorf("%d records of the other stream went out, want 50", n)
		}
		if err := p.Publish(t.Context(), 0, 7, recs); err == nil || !strings.Contains(err.Error(), "not known what is published") {
			t.Errorf("without asking: %v", err)
		}
		fatal = nil
		pass(10 * time.Second)
		if n, err := p.Published(t.Context(), 0); n != 0 || err != nil {
			t.Errorf("published %d, %v", n, err)
		}
		if err := p.Publish(t.Context(), 0, 7, recs); err != nil {
			t.Error(err)
		}
		if a, b := len(f.users("s")), len(f.users("other")); a != 5 || b != 50 {
			t.Errorf("%d and %d records: what was out does not go out again", a, b)
		}
		large := keyed(append(many(t, "other", 20, 20, "y"), record(t, "other", "k", "", strings.Repeat("x", 4000))), 1)
		if err := p.Publish(t.Context(), 0, 8, large); !errors.Is(err, egress.ErrRefused) || len(f.users("other")) != 70 {
			t.Errorf("a record refused: %v, %d records out", err, len(f.users("other")))
		}
	})
}

// A large checkpoint goes out in parts, so that it is not in memory twice.
func TestPublishIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		f.create("s", 2)
		f.faults.latency = 10 * time.Millisecond
		o := options(f)
		o.Bytes = 2 << 20
		p := publisher(t, o)
		most := 0
		f.onPut = func() { most = max(most, p.Stats()[0].Waiting) }
		recs := keyed(many(t, "s", 3000, 500, strings.Repeat("x", 10_000)), 1)
		if err := p.Publish(t.Context(), 0, 7, recs); err != nil {
			t.Fatal(err)
		}
		if n := len(f.users("s")); n != 3000 || most > 350 {
			t.Errorf("%d records out, up to %d waited: 3 MiB are 300", n, most)
		}
		checkRules(t, f)
	})
}

func TestPublishEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		f.create("s", 1)
		f.faults.latency = 100 * time.Millisecond
		p := publisher(t, options(f))
		ctx, cancel := context.WithTimeout(t.Context(), 350*time.Millisecond)
		defer cancel()
		recs := keyed(many(t, "s", 50, 1, "x"), 1)
		if err := p.Publish(ctx, 0, 7, recs); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		pass(time.Minute)
		n := len(f.users("s"))
		if st := p.Stats(); n == 0 || n > 20 || st[0].Waiting != 0 || st[0].Open != 0 {
			t.Errorf("%d records went out, stats %+v", n, st)
		}
		if _, err := p.Published(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if err := p.Publish(t.Context(), 0, 7, recs); err != nil {
			t.Fatal(err)
		}
		if all := f.users("s"); len(all) > 51 || len(firstOfEachID(t, all)) != 50 {
			t.Errorf("%d records in the stream, one may be there twice", len(all))
		}
		if d := cmp.Diff([]core.CheckpointID{7}, []core.CheckpointID{must(p.Published(t.Context(), 0))}); d != "" {
			t.Error(d)
		}
	})
}

func must(n core.CheckpointID, err error) core.CheckpointID {
	if err != nil {
		panic(err)
	}
	return n
}
