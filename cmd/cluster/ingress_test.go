package main

import (
	"strings"
	"testing"

	"github.com/stateway/stateway/runtime/admin"
)

func TestIngressesAsATable(t *testing.T) {
	behind := int64(90_500)
	list := admin.Ingresses{Ingresses: []admin.Ingress{
		{ID: "shop/in", Problem: "no stream orders", Partitions: []admin.Partition{
			{
				ID: "orders/shardId-000000000000", State: "reading", BehindMillis: &behind, Position: "after 4967",
				Counts: &admin.PartitionCounts{Records: 12, Bytes: 3400, Throttles: 5},
			},
			{ID: "orders/shardId-000000000001", State: "waiting", Reason: "begins when its parents end"},
			{ID: "orders/shardId-000000000002", State: "ended", BehindMillis: &behind},
		}},
		{ID: "shop/none"},
	}}
	var b strings.Builder
	if err := printIngresses(&b, list); err != nil {
		t.Fatal(err)
	}
	want := `INGRESS  PARTITION                    STATE    BEHIND  RECORDS  BYTES  THROTTLES  POSITION
shop/in  orders/shardId-000000000000  reading  1m30.5s  12       3400   5          after 4967
shop/in  orders/shardId-000000000001  waiting  -        -        -      -          -
shop/in  orders/shardId-000000000002  ended    -        -        -      -          -
shop/in cannot list its partitions: no stream orders
shop/in orders/shardId-000000000001 is waiting: begins when its parents end
`
	if got := strings.Join(strings.Fields(b.String()), " "); got != strings.Join(strings.Fields(want), " ") {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	if err := printIngresses(&b, admin.Ingresses{}); err != nil || b.String() != "no partition is known\n" {
		t.Errorf("got %q, %v", b.String(), err)
	}
}
