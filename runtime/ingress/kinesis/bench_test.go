package kinesis

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/kinesistest"
	"github.com/stateway/stateway/internal/kpl"
	"github.com/stateway/stateway/runtime/ingress"
)

// drop takes batches and forgets them.
type drop struct{}

func (drop) Put(context.Context, ingress.Batch) error { return nil }

// BenchmarkRead is the path from an answer of Kinesis to batches: without the calls, which the network decides.
func BenchmarkRead(b *testing.B) {
	for _, tt := range []struct {
		name   string
		each   int // records in a Kinesis record
		size   int
		stream func(*Stream)
	}{
		{"plain/100B", 1, 100, func(*Stream) {}},
		{"plain/10kB", 1, 10_000, func(*Stream) {}},
		{"aggregated/100B", 200, 100, func(*Stream) {}},
		{"pointer/100B", 1, 100, func(s *Stream) { s.KeyPointer = "/id" }},
		{"router/100B", 1, 100, func(s *Stream) { s.Router, s.Targets = ingress.Targets("a/b"), nil }},
	} {
		b.Run(tt.name, func(b *testing.B) {
			o := plain(kinesistest.New(kinesistest.Options{}))
			tt.stream(&o.Streams[0])
			g := mustOpen(b, o)
			g.streams[0].ranges = map[string]hashRange{"x": {high: kpl.MaxHash}}
			answer := benchAnswer(tt.each, tt.size)
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += tt.each * len(answer) {
				r, err := newReader(g, g.streams[0], "x", ingress.Partition{ID: "s/x", Position: []byte{1, 0, 0, 0}}, drop{})
				if err != nil {
					b.Fatal(err)
				}
				r.hold(append([]types.Record(nil), answer...), 0)
				if err := r.consume(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// benchAnswer is an answer of 1,000 records of users.
func benchAnswer(each, size int) []types.Record {
	payload := fmt.Appendf(nil, `{"id":"user-7","x":"%0*d"}`, size-23, 1)
	var answer []types.Record
	var a kpl.Aggregator
	for i := range 1000 / each {
		data := payload
		if each > 1 {
			a.Reset()
			for k := range each {
				a.Add(fmt.Sprint("user-", k%20), "", payload)
			}
			data = a.AppendTo(nil)
		}
		answer = append(answer, types.Record{
			Data: data, PartitionKey: aws.String(fmt.Sprint("user-", i)), SequenceNumber: aws.String(fmt.Sprintf("4965%052d", i+1)),
			ApproximateArrivalTimestamp: aws.Time(time.UnixMilli(1_800_000_000_000)),
		})
	}
	return answer
}
