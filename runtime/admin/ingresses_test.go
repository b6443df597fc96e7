package admin

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/runtime/node"
)

// orders is an ingress in every condition.
func orders() []node.IngressStatus {
	in := node.IngressStatus{ID: "shop/orders", Problem: "too many calls"}
	add := func(id, reason string, change func(*node.PartitionStatus)) {
		var p node.PartitionStatus
		p.Partition, p.Reason, p.Lag, p.State = id, reason, -1, "reading"
		change(&p)
		in.Partitions = append(in.Partitions, p)
	}
	add("s/0", "", func(p *node.PartitionStatus) {
		p.Stream, p.Shard, p.Lag, p.Reported, p.Position = "s", "0", 1500*time.Millisecond, true, "after 7"
		p.Records, p.Bytes, p.Throttles = 3, 40, 1
	})
	add("s/1", "it is bad", func(p *node.PartitionStatus) { p.State, p.Lag = "held", time.Minute })
	add("s/2", "no connection", func(p *node.PartitionStatus) { p.State = node.PartitionFailing })
	add("s/3", "", func(p *node.PartitionStatus) { p.State, p.Lag = "ended", time.Hour })
	return []node.IngressStatus{in, {ID: "shop/quiet"}}
}

func TestClientSeesIngresses(t *testing.T) {
	f := newFake()
	f.ingresses = orders()
	c, _ := serveFake(t, f, nil)
	ms := func(n int64) *int64 { return &n }
	got, err := c.Ingresses(t.Context())
	compare(t, "ingresses", got, err, Ingresses{Ingresses: []Ingress{
		{ID: "shop/orders", Problem: "too many calls", Partitions: []Partition{
			{
				ID: "s/0", Stream: "s", Shard: "0", State: "reading", Position: "after 7", BehindMillis: ms(1500),
				Counts: &PartitionCounts{Records: 3, Bytes: 40, Throttles: 1},
			},
			{ID: "s/1", State: "held", Reason: "it is bad", BehindMillis: ms(60_000)},
			{ID: "s/2", State: "failing", Reason: "no connection"},
			{ID: "s/3", State: "ended", BehindMillis: ms(3_600_000)},
		}},
		{ID: "shop/quiet", Partitions: []Partition{}},
	}})
	f.leads = false
	if _, err := c.Ingresses(t.Context()); err == nil || !strings.Contains(err.Error(), "does not serve") {
		t.Errorf("of a node that waits: %v", err)
	}
}

func TestReadinessTellsTheLag(t *testing.T) {
	f := newFake()
	f.ingresses = orders()
	_, base := serveFake(t, f, nil)
	status, _, body := ask(t, http.MethodGet, base+"/readyz", "", nil)
	want := "ready\ningress shop/orders: cannot list its partitions: too many calls; 1 of 3 partitions read, up to 1m0s behind; " +
		"1 held (s/1: it is bad); 1 failing (s/2: no connection)\n"
	if status != 200 || body != want {
		t.Errorf("got %d %q, want %q", status, body, want)
	}
}
