package kinesis

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/stateway/stateway/internal/kinesistest"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/ingress/kinesis/lineage"
)

// show writes partitions with their positions in words.
func show(g *Ingress, parts []ingress.Partition) string {
	var out []string
	for _, p := range parts {
		id := strings.Replace(p.ID, "shardId-00000000000", "", 1)
		if p.Ended {
			id += "x"
		}
		out = append(out, id+": "+g.Words(p.Position))
	}
	return strings.Join(out, "; ")
}

func TestStartup(t *testing.T) {
	for _, tt := range []struct {
		rule    string
		startup Startup
		want    string
		records string
	}{
		{"latest is now, on open shards", Startup{}, "s/1: records from 2000-01-01T03:00:00Z; s/2: records from 2000-01-01T03:00:00Z", "[]"},
		{"earliest begins at the roots", Startup{Kind: lineage.Earliest}, "s/0: the oldest record", "[k=0 k=1 k=2]"},
		{
			"a date begins with the shards of then",
			Startup{Kind: lineage.Date, Date: time.Date(2000, 1, 1, 0, 30, 0, 0, time.UTC)},
			"s/0: records from 2000-01-01T00:30:00Z", "[k=1 k=2]",
		},
		{
			"or with those after a split",
			Startup{Kind: lineage.Date, Date: time.Date(2000, 1, 1, 2, 30, 0, 0, time.UTC)},
			"s/1: records from 2000-01-01T02:30:00Z; s/2: records from 2000-01-01T02:30:00Z", "[]",
		},
		{
			"or with the oldest record",
			Startup{Kind: lineage.Date, Date: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)},
			"s/0: records from 1999-01-01T00:00:00Z", "[k=0 k=1 k=2]",
		},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				service := kinesistest.New(kinesistest.Options{})
				service.Create("s", 1)
				sequence(service, 0, 1)
				time.Sleep(time.Hour)
				sequence(service, 1, 2)
				time.Sleep(time.Hour)
				if err := service.Split("s", service.Open("s")[0]); err != nil {
					t.Fatal(err)
				}
				sequence(service, 2, 3)
				time.Sleep(time.Hour)
				o := plain(service)
				o.Startup = tt.startup
				n := newNode(t, o)
				defer n.halt()
				parts, err := n.in.Partitions(t.Context(), nil)
				if err != nil || show(n.in, parts) != tt.want {
					t.Errorf("got %s, %v; want %s", show(n.in, parts), err, tt.want)
				}
				n.run(4, 10*time.Second)
				if got := n.texts(); strings.Join(got, " ") != strings.Trim(tt.records, "[]") {
					t.Errorf("read %v, want %s", got, tt.records)
				}
				service.Put("s", "k", []byte("new"))
				time.Sleep(time.Second)
				if got := n.texts(); len(got) == 0 || got[len(got)-1] != "k=new" {
					t.Errorf("what comes later is not read: %v, %v", got, n.failure())
				}
			})
		})
	}
}

func TestTheFirstStartIsGivenOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service := kinesistest.New(kinesistest.Options{})
		service.Create("s", 1)
		o := plain(service)
		o.Startup = Startup{}
		g := mustOpen(t, o)
		first, err := g.Partitions(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if err := service.Split("s", service.Open("s")[0]); err != nil {
			t.Fatal(err)
		}
		for range 2 { // No checkpoint has committed yet.
			again, err := g.Partitions(t.Context(), nil)
			if err != nil || show(g, again) != show(g, first) {
				t.Errorf("got %s, %v; want %s", show(g, again), err, show(g, first))
			}
		}
		if next, err := g.Partitions(t.Context(), first); err != nil || show(g, next) != show(g, first) {
			t.Errorf("children beside their parent: %s, %v", show(g, next), err)
		}
	})
}

func TestPartitionErrorsSayWhatToDo(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Options)
		fault  error
		words  []string
	}{
		{"no stream", func(o *Options) { o.Streams[0].Stream = "missing" }, nil, []string{"no stream missing in region eu-central-1", "awsRegion"}},
		{"no permission", nil, &types.AccessDeniedException{Message: aws.String("no")}, []string{"allow kinesis:ListShards on stream s"}},
		{"keys that have expired", nil, &smithy.GenericAPIError{Code: "ExpiredTokenException", Message: "old"}, []string{"have expired", "give others"}},
		{"no use of the key", nil, &types.KMSAccessDeniedException{Message: aws.String("no")}, []string{"allow kms:Decrypt"}},
		{"a date to come", func(o *Options) { o.Startup = Startup{lineage.Date, time.Now().Add(time.Hour)} }, nil, []string{"in the future"}},
		{"an error of its own", nil, errors.New("boom"), []string{"list the shards of stream s: ListShards: boom"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				service := kinesistest.New(kinesistest.Options{})
				service.Create("s", 1)
				service.SetFaults(func(string, any) error { return tt.fault }, nil)
				o := plain(service)
				o.Region = kinesistest.Region
				if tt.change != nil {
					tt.change(&o)
				}
				parts, err := mustOpen(t, o).Partitions(t.Context(), nil)
				for _, word := range tt.words {
					if err == nil || !strings.Contains(err.Error(), word) {
						t.Errorf("%v: %v, want %q", parts, err, word)
					}
				}
			})
		})
	}
}

func TestOneStreamInTroubleLeavesTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log bytes.Buffer
		service := kinesistest.New(kinesistest.Options{})
		service.Create("s", 1)
		o := plain(service)
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		o.Streams = append(o.Streams, Stream{Stream: kinesistest.ARN("other"), ValueType: "x/raw", Targets: []core.FunctionType{"a/b"}})
		g := mustOpen(t, o)
		parts, err := g.Partitions(t.Context(), nil)
		if err != nil || show(g, parts) != "s/0: the oldest record" {
			t.Fatalf("%s, %v", show(g, parts), err)
		}
		service.Create("other", 1)
		if parts, err = g.Partitions(t.Context(), parts); err != nil || show(g, parts) != "s/0: the oldest record; other/0: the oldest record" {
			t.Fatalf("%s, %v", show(g, parts), err)
		}
		service.Delete("other")
		for range 3 {
			again, err := g.Partitions(t.Context(), parts)
			if err != nil || show(g, again) != show(g, parts) {
				t.Errorf("known partitions of a stream that cannot be listed: %s, %v", show(g, again), err)
			}
		}
		if n := strings.Count(log.String(), "cannot be listed"); n != 2 {
			t.Errorf("logged %d times, want at each change:\n%s", n, log.String())
		}
	})
}

// A stream that the options name no more may be a typing mistake: its positions stay, and it goes on there when it is back.
func TestPositionsOfStreamsThatAreNotNamed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service := kinesistest.New(kinesistest.Options{})
		service.Create("s", 1)
		service.Create("other", 1)
		o := plain(service)
		o.Startup = Startup{Kind: lineage.Latest}
		both := o
		both.Streams = append(slices.Clone(o.Streams), Stream{Stream: "other", ValueType: "x/raw", Targets: []core.FunctionType{"a/b"}})
		n := newNode(t, both)
		n.run(2, time.Minute)
		service.Put("other", "k", []byte("1"))
		n.run(1, time.Minute)
		var log strings.Builder
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		n.crash(o)
		n.run(3, time.Minute)
		service.Put("other", "k", []byte("2"))
		n.run(1, time.Minute)
		if got := strings.Count(log.String(), "stream=other"); got != 1 || n.failure() != nil {
			t.Errorf("logged %d times, last error %v:\n%s", got, n.failure(), log.String())
		}
		if r := n.in.Report(); len(r) != 2 || r[0].State != ingress.PartitionWaiting || !strings.Contains(r[0].Reason, "put it back") {
			t.Errorf("reported: %+v", r)
		}
		n.crash(both)
		defer n.halt()
		n.run(1, time.Minute)
		n.expect(t, []string{"k=1", "k=2"})
	})
}

func TestCancelledListsAreNoAnswer(t *testing.T) {
	service := kinesistest.New(kinesistest.Options{})
	service.Create("s", 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if parts, err := mustOpen(t, plain(service)).Partitions(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", parts, err)
	}
}

func TestUnknownPartitionsAreNotRead(t *testing.T) {
	g := mustOpen(t, plain(kinesistest.New(kinesistest.Options{})))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, p := range []ingress.Partition{{ID: "other/x"}, {ID: "s"}, {ID: "s/"}} {
		if err := g.Read(ctx, p, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if err := g.Read(t.Context(), ingress.Partition{ID: "s/x", Position: []byte("nonsense")}, nil); !errors.Is(err, ingress.ErrHeld) {
		t.Errorf("a position that is none: %v", err)
	}
	if g.Words([]byte("nonsense")) != "unreadable" {
		t.Error(g.Words([]byte("nonsense")))
	}
}

func TestReports(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 1, kinesistest.Options{}, nil)
		defer n.halt()
		sequence(service, 0, 5)
		time.Sleep(time.Minute)
		want := ingress.PartitionReport{
			Partition: "s/shardId-000000000000", Stream: "s", Shard: "shardId-000000000000", State: ingress.PartitionReading, Records: 5, Bytes: 5,
		}
		if got := n.in.Report(); len(got) != 1 || got[0] != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if err := errors.Join(service.Split("s", "shardId-000000000000"), service.Merge("s", "shardId-000000000001", "shardId-000000000002")); err != nil {
			t.Fatal(err)
		}
		if err := n.discover(); err != nil {
			t.Fatal(err)
		}
		n.run(1, time.Minute)
		states := func() string {
			var out []string
			for _, r := range n.in.Report() {
				out = append(out, r.Shard[len(r.Shard)-1:]+":"+string(r.State))
			}
			return strings.Join(out, " ")
		}
		if got := states(); got != "0:ended 1:waiting 2:waiting 3:waiting" {
			t.Error(got)
		}
		if r := n.in.Report()[3]; !strings.Contains(r.Reason, "shardId-000000000001 and shardId-000000000002") {
			t.Errorf("reason %q", r.Reason)
		}
		n.run(3, time.Minute)
		if got := states(); got != "0:ended 1:ended 2:ended 3:reading" {
			t.Error(got)
		}
	})
}

func TestAllConflictsAtOnce(t *testing.T) {
	good := Stream{Stream: "s", ValueType: "x/y", Targets: []core.FunctionType{"a/b"}}
	with := func(change func(*Stream)) Stream {
		s := good
		change(&s)
		return s
	}
	_, err := Open(Options{
		Region: "eu-west-1", Mode: 9, ConsumerName: "a b", Startup: Startup{Kind: lineage.Date}, OnInvalid: DeadLetter, PollEvery: -1,
		Streams: []Stream{
			good, good,
			{Stream: "no such/name"},
			with(func(s *Stream) { s.Stream = kinesistest.ARN("far") }),
			with(func(s *Stream) { s.Stream, s.Dedupe = "d", DedupeStateway }),
			with(func(s *Stream) { s.Stream, s.Format, s.Dedupe = "e", Stateway, DedupeCloudEvents }),
			with(func(s *Stream) { s.Stream, s.KeyPointer, s.KeyPrefix = "k", "id", ":" }),
			with(func(s *Stream) { s.Stream, s.Format = "f", 9 }),
		},
	})
	for _, word := range []string{
		"API is missing", "mode 9", `consumerName "a b"`, "startup date", "set deadLetter", "pollEvery -1ns", "stream s is there twice",
		"want a name of 1 to 128", "valueType is missing", "targets", "in region eu-central-1, but", "needs format: stateway",
		"needs format: cloudevents or raw", "exclude each other", `key pointer "id"`, "format 9",
	} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("the error lacks %q: %v", word, err)
		}
	}
	o := plain(kinesistest.New(kinesistest.Options{}))
	o.Streams[0].KeyPointer = "/a~b"
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "~0") {
		t.Error(err)
	}
	o.Streams = nil
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "at least one") {
		t.Error(err)
	}
}
