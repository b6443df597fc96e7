package kinesis

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/internal/kinesistest"
	"github.com/stateway/stateway/internal/kpl"
	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/ingress/kinesis/lineage"
)

// sleepNode stops a node, lets time pass and starts it again.
func sleepNode(t *testing.T, n *node, o Options, d time.Duration) {
	t.Helper()
	n.commit()
	n.halt()
	time.Sleep(d)
	n.crash(o)
	if err := n.discover(); err != nil {
		t.Fatal(err)
	}
}

func TestLossIsToldOrAccepted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 1, kinesistest.Options{}, nil)
		defer func() { n.halt() }()
		want := sequence(service, 0, 3)
		time.Sleep(time.Minute)
		n.commit()
		n.halt()
		time.Sleep(time.Hour)
		sequence(service, 3, 6) // lost
		time.Sleep(20 * time.Hour)
		later := sequence(service, 6, 8)
		sleepNode(t, n, plain(service), 10*time.Hour)
		time.Sleep(time.Minute + n.pauses/2)
		n.expect(t, want)
		err := n.failure()
		if !errors.Is(err, ingress.ErrTruncated) {
			t.Fatal(err)
		}
		for _, word := range []string{"onTruncation: earliest", "21h1m0s", "000000 of stream s", "2000-01-01T00:0"} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("the error lacks %q: %v", word, err)
			}
		}
		if r := n.in.Report()[0]; r.State != ingress.PartitionHeld || r.Reason == "" {
			t.Errorf("reported as %+v", r)
		}
		o := plain(service)
		o.OnTruncation = GoOn
		sleepNode(t, n, o, 0)
		time.Sleep(time.Minute)
		want = append(append(want, later...), sequence(service, 8, 9)...)
		time.Sleep(time.Minute)
		n.expect(t, want)
		if len(n.errs) > 0 && !errors.Is(n.errs[len(n.errs)-1], ingress.ErrTruncated) {
			t.Error(n.failure())
		}
	})
}

func TestNothingIsLostWhileTheRecordOfThePositionIsThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 1, kinesistest.Options{EmptyEvery: 2}, nil)
		defer func() { n.halt() }()
		service.SetRetention("s", 30*time.Hour)
		want := sequence(service, 0, 3)
		time.Sleep(time.Minute)
		sleepNode(t, n, plain(service), 25*time.Hour)
		want = append(want, sequence(service, 3, 4)...)
		time.Sleep(time.Minute)
		n.expect(t, want)

		// The stream says that it keeps an hour less than it does: the record itself decides.
		service.SetRetention("s", 48*time.Hour)
		sleepNode(t, n, plain(service), 40*time.Hour)
		n.in.streams[0].mu.Lock()
		n.in.streams[0].keeps, n.in.streams[0].asked = 24*time.Hour, time.Now()
		n.in.streams[0].mu.Unlock()
		want = append(want, sequence(service, 4, 5)...)
		time.Sleep(time.Minute)
		n.expect(t, want)
		if n.failure() != nil {
			t.Error(n.failure())
		}
	})
}

func TestIdleShardsKeepUpWithTheRetention(t *testing.T) {
	for _, mode := range []Mode{Polling, FanOut} {
		bubble(t, func(t *testing.T) {
			service, n := start(t, 2, kinesistest.Options{}, func(o *Options) { o.Mode, o.PollEvery = mode, time.Minute })
			defer func() { n.halt() }()
			want := sequence(service, 0, 1)
			time.Sleep(72 * time.Hour)
			n.mu.Lock()
			batches := n.batches
			n.mu.Unlock()
			if batches > 2*(72/4+3) {
				t.Errorf("%d batches in 72 idle hours", batches)
			}
			o := plain(service)
			o.Mode = mode
			sleepNode(t, n, o, 12*time.Hour)
			want = append(want, sequence(service, 1, 2)...)
			time.Sleep(time.Minute)
			n.expect(t, want)
			if n.failure() != nil {
				t.Error(n.failure())
			}
		})
	}
}

func TestShardsThatAreGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 1, kinesistest.Options{}, nil)
		defer func() { n.halt() }()
		want := sequence(service, 0, 3)
		time.Sleep(time.Minute)
		n.commit()
		n.halt()
		sequence(service, 3, 5) // lost
		if err := service.Split("s", service.Open("s")[0]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(23 * time.Hour)
		later := sequence(service, 5, 7)
		sleepNode(t, n, plain(service), 2*time.Hour)
		time.Sleep(time.Minute)
		n.expect(t, want)
		if err := n.failure(); !errors.Is(err, ingress.ErrTruncated) || !strings.Contains(err.Error(), "onTruncation: earliest") {
			t.Errorf("error %v", err)
		}
		o := plain(service)
		o.OnTruncation = GoOn
		sleepNode(t, n, o, 0)
		n.run(3, time.Minute)
		n.expect(t, append(want, later...))
		for id, p := range n.committed {
			if p.Ended {
				t.Errorf("%s is gone and still remembered", id)
			}
		}
	})
}

func TestAggregatesCutByTheRetention(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 1, kinesistest.Options{}, func(o *Options) { o.OnTruncation = GoOn })
		defer func() { n.halt() }()
		n.halt()
		var a kpl.Aggregator
		a.Add("k", "", []byte("1"))
		a.Add("k", "", []byte("2"))
		_, seq := service.Put("s", "k", a.AppendTo(nil))
		b, err := lineage.Position{Kind: lineage.Within, Sequence: seq, Sub: 1}.Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Hour)
		want := sequence(service, 3, 4)
		n.parts["s/shardId-000000000000"] = ingress.Partition{ID: "s/shardId-000000000000", Position: b}
		o := plain(service)
		for _, o.OnTruncation = range []OnTruncation{Fail, GoOn} {
			n.halt() // or the next try, just now, fails once more
			n.errs = nil
			sleepNode(t, n, o, 0)
			time.Sleep(time.Minute)
			if err := n.failure(); errors.Is(err, ingress.ErrTruncated) != (o.OnTruncation == Fail) {
				t.Errorf("onTruncation %d: %v", o.OnTruncation, err)
			}
		}
		n.expect(t, want)
	})
}

func TestStreamsMadeAnewAreNoticed(t *testing.T) {
	for _, mode := range []Mode{Polling, FanOut} {
		bubble(t, func(t *testing.T) {
			service, n := start(t, 1, kinesistest.Options{}, func(o *Options) { o.Mode = mode })
			defer func() { n.halt() }()
			want := sequence(service, 0, 3)
			time.Sleep(time.Minute)
			service.Delete("s")
			service.Create("s", 1)
			sequence(service, 3, 4)
			o := plain(service)
			o.Mode = mode
			sleepNode(t, n, o, 0)
			time.Sleep(time.Minute)
			n.expect(t, want)
			if err := n.failure(); !errors.Is(err, ingress.ErrHeld) || !strings.Contains(err.Error(), "another id") {
				t.Errorf("mode %d: %v", mode, err)
			}
		})
	}
}
