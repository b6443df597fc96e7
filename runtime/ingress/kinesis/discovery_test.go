package kinesis

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/awsclient"
	"github.com/stateway/stateway/internal/kinesistest"
	"github.com/stateway/stateway/runtime/ingress/kinesis/lineage"
)

// listing is a fault of ListShards alone: of a list's first page, or of its later ones.
func listing(later bool, fault func() error) kinesistest.Fault {
	return func(op string, input any) error {
		if op != "ListShards" || (input.(*kinesis.ListShardsInput).NextToken != nil) != later {
			return nil
		}
		return fault()
	}
}

// always is a fault that passes when it is told to.
func always(err error, until *time.Time) func() error {
	return func() error {
		if time.Now().Before(*until) {
			return err
		}
		return nil
	}
}

// While the shards of a stream cannot be listed, those that are known are read as before; what is new is found, and nothing of it lost,
// once they can be.
func TestListsThatFailDelayOnlyDiscovery(t *testing.T) {
	for _, later := range []bool{false, true} {
		for name, err := range map[string]error{
			"throttled":          &types.LimitExceededException{},
			"in use":             &types.ResourceInUseException{},
			"its token expired":  &types.ExpiredNextTokenException{},
			"an internal error":  &types.InternalFailureException{},
			"other throttling":   kinesistest.Throttled("x"),
			"not allowed for it": &types.AccessDeniedException{},
		} {
			t.Run(fmt.Sprintf("%s/in the middle=%v", name, later), func(t *testing.T) {
				bubble(t, func(t *testing.T) { listsFail(t, later, err) })
			})
		}
	}
}

func listsFail(t *testing.T, later bool, err error) {
	service, n := start(t, 6, kinesistest.Options{ShardsPerPage: 2}, nil)
	defer n.halt()
	want := sequence(service, 0, 3)
	n.run(1, time.Minute)

	fails := time.Now().Add(10 * time.Minute)
	service.SetFaults(listing(later, always(err, &fails)), nil)
	for _, id := range service.Open("s") { // so that whatever comes now is in shards that are to be found
		if err := service.Split("s", id); err != nil {
			t.Fatal(err)
		}
	}
	want = append(want, sequence(service, 3, 6)...)
	for time.Now().Before(fails) {
		if n.discover() == nil {
			t.Fatal("the list did not fail")
		}
		time.Sleep(10 * time.Second)
		n.commit()
	}
	n.expect(t, want[:3])
	for range 3 {
		if err := n.discover(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		n.commit()
	}
	n.expect(t, want)
	if open := len(service.Open("s")); open != 12 || len(n.in.Report()) < 12 {
		t.Errorf("%d partitions, want those of %d open shards", len(n.in.Report()), open)
	}
}

// Shards whose end the answer does not tell are looked up in the list: that waits for it, too, and loses nothing.
func TestEndsWaitForTheList(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service, n := start(t, 1, kinesistest.Options{NoChildShards: true}, nil)
		defer n.halt()
		n.run(1, time.Second)
		want := sequence(service, 0, 3)
		fails := time.Now().Add(5 * time.Minute)
		service.SetFaults(listing(false, always(&types.LimitExceededException{}, &fails)), nil)
		if err := service.Split("s", "shardId-000000000000"); err != nil {
			t.Fatal(err)
		}
		want = append(want, sequence(service, 3, 6)...)
		time.Sleep(5 * time.Minute)
		n.expect(t, want[:3])
		n.run(4, 10*time.Second)
		n.expect(t, want)
	})
}

// A few failures within one list are not even seen: a page is asked for again, an expired token begins the list anew.
func TestListsPassThroughFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		err   error
		calls int
	}{
		"throttled":         {&types.LimitExceededException{}, 50 + 4},
		"its token expired": {&types.ExpiredNextTokenException{}, 50 + 4*2},
		"in use":            {&types.ResourceInUseException{}, 50 + 4*2},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				service := kinesistest.New(kinesistest.Options{ShardsPerPage: 2})
				service.Create("s", 100)
				four := failing("ListShards", 4, tt.err)
				service.SetFaults(listing(true, func() error { return four("ListShards", nil) }), nil)
				parts, err := mustOpen(t, plain(service)).Partitions(t.Context(), nil)
				if err != nil || len(parts) != 100 {
					t.Fatalf("%d partitions, %v", len(parts), err)
				}
				if calls := service.Calls("ListShards"); calls != tt.calls {
					t.Errorf("%d calls, want %d", calls, tt.calls)
				}
			})
		})
	}
}

// A shard that is split while its stream is listed for the first time is read to its end first.
func TestSplitsBetweenTwoPages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		service := kinesistest.New(kinesistest.Options{ShardsPerPage: 2})
		service.Create("s", 3)
		split := false
		service.SetFaults(listing(true, func() error {
			if !split {
				split = true
				return service.Split("s", "shardId-000000000000")
			}
			return nil
		}), nil)
		o := plain(service)
		o.Startup = Startup{Kind: lineage.Latest}
		n := newNode(t, o)
		defer n.halt()
		if err := n.discover(); err != nil {
			t.Fatal(err)
		}
		n.mu.Lock() // they are read already
		if parts := len(n.parts); parts != 3 {
			t.Errorf("%d partitions, want the three there were: %v", parts, n.parts)
		}
		n.mu.Unlock()
		want := sequence(service, 0, 5)
		n.run(3, 10*time.Second)
		n.expect(t, want)
	})
}

// The client of the SDK counts every attempt.
func TestThrottledListsAreCounted(t *testing.T) {
	t.Setenv("AWS_CA_BUNDLE", "")
	service := kinesistest.New(kinesistest.Options{ShardsPerPage: 2})
	service.Create("s", 6)
	four := failing("ListShards", 4, &types.LimitExceededException{})
	service.SetFaults(listing(true, func() error { return four("ListShards", nil) }), nil)
	server := httptest.NewServer(service.Handler())
	defer server.Close()
	var counted []string
	cfg, err := awsclient.Load(t.Context(), awsclient.Options{
		Region: kinesistest.Region, Endpoint: server.URL, Credentials: awsclient.Credentials{AccessKeyID: "AK", SecretAccessKey: "s"},
		Observe: func(c awsclient.Call) { counted = append(counted, c.Operation+" "+c.Class.String()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	o := plain(Client{kinesis.NewFromConfig(cfg)})
	o.Random = func() float64 { return 0 }
	if parts, err := mustOpen(t, o).Partitions(t.Context(), nil); err != nil || len(parts) != 6 {
		t.Fatalf("%d partitions, %v", len(parts), err)
	}
	ok, throttled := "ListShards ok", "ListShards throttled"
	if want := []string{ok, throttled, throttled, throttled, throttled, ok, ok}; !slices.Equal(counted, want) {
		t.Errorf("counted %v, want %v", counted, want)
	}
}

// The clock of Kinesis is the date of its answers, which has no fractions: latest begins with the second in which the shards were listed.
func TestLatestBeginsWithTheSecondOfTheList(t *testing.T) {
	t.Setenv("AWS_CA_BUNDLE", "")
	clock := time.Date(2026, 3, 1, 12, 0, 6, 999e6, time.UTC)
	service := kinesistest.New(kinesistest.Options{Now: func() time.Time { return clock }})
	service.Create("s", 1)
	sequence(service, 0, 1) // in the second before
	clock = clock.Add(500 * time.Millisecond)
	want := sequence(service, 1, 2) // in the same second
	clock = clock.Add(400 * time.Millisecond)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", clock.Format(http.TimeFormat))
		service.Handler().ServeHTTP(w, r)
	}))
	defer server.Close()
	cfg, err := awsclient.Load(t.Context(), awsclient.Options{
		Region: kinesistest.Region, Endpoint: server.URL, Credentials: awsclient.Credentials{AccessKeyID: "AK", SecretAccessKey: "s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	o := plain(Client{kinesis.NewFromConfig(cfg)})
	o.Startup = Startup{Kind: lineage.Latest}
	o.Now = func() time.Time { return clock.Add(-time.Hour) } // the node's clock is not asked
	g := mustOpen(t, o)
	parts, err := g.Partitions(t.Context(), nil)
	if err != nil || show(g, parts) != "s/0: records from 2026-03-01T12:00:07Z" {
		t.Fatalf("%s, %v", show(g, parts), err)
	}
	want = append(want, sequence(service, 2, 3)...) // after the list
	n := newNode(t, o)
	sink := sinkOf{n, parts[0].ID}
	r, err := newReader(g, g.streams[0], "shardId-000000000000", parts[0], sink)
	if err != nil {
		t.Fatal(err)
	}
	p := &poller{reader: r, pace: newPace(o.withDefaults())}
	if err := p.step(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.expect(t, want)
}
