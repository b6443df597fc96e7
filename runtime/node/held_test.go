package node_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateway/stateway/runtime/checkpoint/membucket"
	"github.com/stateway/stateway/runtime/ingress"
	source "github.com/stateway/stateway/runtime/ingress/memory"
)

// logged is what a node said.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// lines counts the lines that hold all the words.
func (l *logged) lines(words ...string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for line := range strings.Lines(l.text.String()) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			n++
		}
	}
	return n
}

// A partition that only an operator can mend, for its history is truncated or it is held, is tried every half minute and reported each
// time; the others go on, and so does this one once it is mended.
func TestPartitionsThatWaitForAnOperator(t *testing.T) {
	if !alone(t) {
		return
	}
	synctest.Test(t, func(t *testing.T) {
		broken := map[string]error{"truncated": ingress.ErrTruncated, "held": ingress.ErrHeld}
		r := newRig(t, counters())
		log := source.NewLog(source.Options{Router: ingress.Targets("test/count")})
		for _, partition := range []string{"truncated", "good", "held"} {
			log.AddPartition(partition)
		}
		r.reads("test/log", log)
		said := &logged{}
		r.config.Bucket, r.config.FS, r.config.Data = &membucket.Bucket{}, vfs.NewMem(), "/data"
		r.config.CheckpointEvery, r.config.Log = time.Second, slog.New(slog.NewTextHandler(said, nil))
		ctx, cancel := context.WithCancel(t.Context())
		n := r.make()
		ended := make(chan error, 1)
		go func() { ended <- n.Run(ctx) }()
		x := &running{Node: n, t: t}
		counted := func(id string, want int64) {
			t.Helper()
			if got := x.number("test/count", id, "count"); got != want {
				t.Errorf("%s counted %d, want %d", id, got, want)
			}
		}
		readThrough := func(want int64, pause time.Duration) {
			t.Helper()
			for partition := range broken {
				log.Append(partition, record(partition))
			}
			time.Sleep(pause)
			for partition := range broken {
				counted(partition, want)
			}
		}
		time.Sleep(10 * time.Second)
		readThrough(1, 5*time.Second)

		for partition, why := range broken {
			log.Fail(partition, fmt.Errorf("at 1: %w", why))
		}
		readThrough(1, 5*time.Second)
		for range 10 {
			log.Append("good", record("good"))
			time.Sleep(30 * time.Second)
		}
		counted("good", 10)
		for partition, why := range broken {
			counted(partition, 1)
			reports := said.lines("level=ERROR", "ingress=test/log", "partition="+partition, "pause=30s", why.Error())
			if reports < 10 || reports > 12 {
				t.Errorf("%d reports of %s in 5 minutes, want one every half minute", reports, partition)
			}
		}
		if w := n.Waiting(); w != "" {
			t.Errorf("the node waits for %s", w)
		}

		for partition := range broken {
			log.Fail(partition, nil)
		}
		readThrough(3, 35*time.Second)
		readThrough(4, 5*time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A truncated partition goes on by itself only where its history does; until then its position stays.
func TestTruncatedPartitionKeepsItsPosition(t *testing.T) {
	r := newRig(t, counters())
	log := source.NewLog(source.Options{Router: ingress.Targets("test/count")})
	log.AddPartition("p")
	log.AddPartition("good")
	r.reads("test/log", log)
	log.Append("p", record("a"))
	x := r.start().ready()
	x.eventually("the first is read", func() bool { return x.number("test/count", "a", "count") == 1 })
	x.halt()
	log.Append("p", record("a"), record("a"), record("a"))
	log.Truncate("p", 3)
	x = r.start().ready()
	log.Append("good", record("b"))
	x.eventually("the others go on", func() bool { return x.number("test/count", "b", "count") == 1 })
	x.halt()
	if got := position(t, log, "p"); got != 1 {
		t.Errorf("the truncated partition stands at %d, want 1", got)
	}
}

// position is what the last checkpoint that the log was told of says of a partition.
func position(t *testing.T, log *source.Log, partition string) int64 {
	t.Helper()
	_, at := log.Committed()
	offset, err := source.Offset(at[partition])
	if err != nil {
		t.Fatal(err)
	}
	return offset
}
