package kinesis

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/test/aws/kinesis/numbers"
	"github.com/stateway/stateway/test/harness"
)

// TestStarts puts some records, reshards, and looks with which record each start begins.
func TestStarts(t *testing.T) {
	t.Parallel()
	server := harness.KinesisLocal(t)
	client := server.Client()
	ctx := t.Context()
	put := func(key string) {
		data, err := json.Marshal(numbers.Record{Key: key, Number: 1})
		must(t, err)
		must(t, client.PutRecord(ctx, "numbers", key, data))
	}
	must(t, client.CreateStream(ctx, "numbers", 2))
	shards := numbers.Shards{Client: client, Stream: "numbers"}
	put("first")
	must(t, shards.Split(ctx, 0))
	put("second")
	pause(ctx, 10*time.Millisecond)
	date := time.Now()
	pause(ctx, 10*time.Millisecond)
	put("third")
	must(t, shards.Merge(ctx, 1))
	put("fourth")
	pause(ctx, time.Second) // the latest start goes by the date of an answer, in whole seconds

	description, err := client.Describe(ctx, "numbers")
	must(t, err)
	for _, c := range []struct {
		name, position, stream string
		want                   []string
	}{
		{"latest", "latest", "numbers", []string{"fifth"}},
		{"earliest, by ARN", "earliest", *description.StreamARN, []string{"first", "second", "third", "fourth", "fifth"}},
		{
			"date", fmt.Sprintf("{type: date, date: %q}", date.UTC().Format("2006-01-02 15:04:05.000 -0700")), "numbers",
			[]string{"third", "fourth", "fifth"},
		},
	} {
		s := newStage(t, reading(server.Endpoint, "startupPosition: "+c.position+
			"\nstreams:\n  - {stream: '"+c.stream+"', valueType: test/Record, targets: [test/count]}"))
		s.run()
		s.settled()
		put("fifth")
		seen := func() (keys []string) {
			for _, key := range []string{"first", "second", "third", "fourth", "fifth"} {
				if s.tally(numbers.Count, key).Last == 1 {
					keys = append(keys, key)
				}
			}
			return keys
		}
		all := strings.Join(c.want, " ")
		harness.Eventually(t, waitFor, func() bool { return strings.Join(seen(), " ") == all }, func() string {
			return fmt.Sprintf("%s: saw %v, want %v", c.name, seen(), c.want)
		})
		s.stop()
		s.run()
		s.settled()
		if got := strings.Join(seen(), " "); got != all {
			t.Errorf("%s: after a restart it has seen %s, want %s", c.name, got, all)
		}
		s.stop()
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

var collected = stateway.Value[string]("collected")

// collectors are a function that keeps what it gets.
func collectors() *stateway.App {
	app := stateway.New()
	app.Function("test/collect", func(ctx *stateway.Context, msg stateway.Message) error {
		text, err := collected.Get(ctx)
		collected.Set(ctx, text+string(msg.Bytes())+",")
		return err
	}, collected)
	return app
}

// TestAggregatesOfAnotherEncoder reads records that PyPI aws-kinesis-agg has put together (internal/kpl/testdata/make.py says of what), with
// restarts in between.
func TestAggregatesOfAnotherEncoder(t *testing.T) {
	const times, each, ids = 12, 1000, 300
	t.Parallel()
	root, err := harness.Root()
	must(t, err)
	aggregate, err := os.ReadFile(filepath.Join(root, "internal", "kpl", "testdata", "many.bin"))
	must(t, err)
	server := harness.Kinesalite(t)
	client := server.Client()
	must(t, client.CreateStream(t.Context(), "aggregates", 1))
	s := newStage(t, reading(server.Endpoint, `startupPosition: earliest
streams:
  - {stream: aggregates, valueType: test/Text, targets: [test/collect]}`))
	s.cfg.Functions, s.cfg.CheckpointEvery = collectors(), time.Millisecond
	s.run()
	for i := range times {
		must(t, client.PutRecord(t.Context(), "aggregates", "k", aggregate))
		if i%4 == 3 {
			s.stop()
			s.run()
		}
	}
	got := func(id int) string {
		states, _, err := s.State(core.Address{Type: "test/collect", ID: fmt.Sprintf("key-%d", id)})
		if err != nil || len(states) == 0 || states[0].Value == nil {
			return ""
		}
		m, err := stateway.ParseTypedValue(states[0].Value)
		must(t, err)
		text, err := stateway.String.Read(m)
		must(t, err)
		return text
	}
	for id := range ids {
		once := ""
		for i := id; i < each; i += ids {
			once += strings.Repeat(fmt.Sprint(i), i%7) + ","
		}
		want := strings.Repeat(once, times)
		harness.Eventually(t, waitFor, func() bool { return got(id) == want || len(got(id)) > len(want) }, func() string {
			return fmt.Sprintf("key-%d has %q, want %q", id, got(id), want)
		})
		if text := got(id); text != want {
			t.Fatalf("key-%d has %q, want %q", id, text, want)
		}
	}
}
