package node_test

import (
	"strings"
	"testing"

	"github.com/stateway/stateway/runtime/core"
	outside "github.com/stateway/stateway/runtime/egress/memory"
	"github.com/stateway/stateway/runtime/ingress"
	source "github.com/stateway/stateway/runtime/ingress/memory"
)

// What an ingress cannot make a message of goes to an egress with the position: once, over kills, while the partition goes on.
func TestIngressRecordsForAnEgress(t *testing.T) {
	r := newRig(t, counters())
	bad := outside.NewWorld(1)
	letter := func(rec ingress.Record, why error) core.EgressRecord {
		text := rec.Dedupe + ": " + why.Error()
		return core.EgressRecord{Egress: "test/bad", Typename: "test/text", Arg: ingress.EncodeValue("test/text", []byte(text))}
	}
	log := source.NewLog(source.Options{Router: ingress.Targets("test/count"), Refused: letter})
	log.AddPartition("p")
	r.reads("test/log", log)
	r.publishes("test/bad", bad)
	want := map[string]bool{}
	for round := range 3 {
		x := r.start().ready()
		for i := range 5 {
			no := string(rune('a'+round)) + string(rune('0'+i))
			log.Append("p", record("good"), ingress.Record{Dedupe: no, Typename: ingress.TypeLong})
			want[no] = true
		}
		x.eventually("the good ones are counted", func() bool { return x.number("test/count", "good", "count") == int64(5*(round+1)) })
		if round == 2 {
			x.eventually("the bad ones are outside", func() bool { return len(bad.Records()) == len(want) })
		}
		x.kill()
	}
	for _, rec := range bad.Records() {
		no, why, _ := strings.Cut(string(rec.Value), ": ")
		if !want[no] || !strings.Contains(why, "no key") {
			t.Errorf("record %q: want each bad one once, with the reason", rec.Value)
		}
		delete(want, no)
	}
	if len(want) > 0 {
		t.Errorf("these never came: %v", want)
	}
}

// A record for an egress that does not exist, or that it does not take, is the ingress's mistake: the partition stands, others go on.
func TestIngressRecordForNoEgress(t *testing.T) {
	r := newRig(t, counters())
	letter := func(ingress.Record, error) core.EgressRecord { return core.EgressRecord{Egress: "no/where"} }
	log := source.NewLog(source.Options{Router: ingress.Targets("test/count"), Refused: letter})
	log.AddPartition("p")
	log.AddPartition("q")
	r.reads("test/log", log)
	log.Append("p", record("before"))
	x := r.start().ready()
	x.eventually("what comes before it counts", func() bool { return x.number("test/count", "before", "count") == 1 })
	log.Append("p", ingress.Record{Typename: ingress.TypeLong}, record("behind"))
	log.Append("q", record("beside"))
	x.eventually("the other partition goes on", func() bool { return x.number("test/count", "beside", "count") == 1 })
	if got := x.number("test/count", "behind", "count"); got != 0 {
		t.Errorf("behind the bad record: counted %d, want 0", got)
	}
}
