package kinesis_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/kpl"
	"github.com/stateway/stateway/runtime/egress"
	"github.com/stateway/stateway/runtime/egress/kinesis"
)

// instant answers at once, for a stream of one shard.
type instant struct{ ok []types.PutRecordsResultEntry }

func newInstant() instant {
	ok := make([]types.PutRecordsResultEntry, kinesis.MaxCallRecords)
	for i := range ok {
		ok[i].ShardId = aws.String("shardId-0")
	}
	return instant{ok}
}

func (i instant) PutRecords(_ context.Context, in *sdk.PutRecordsInput, _ ...func(*sdk.Options)) (*sdk.PutRecordsOutput, error) {
	return &sdk.PutRecordsOutput{Records: i.ok[:len(in.Records)]}, nil
}

func (instant) ListShards(context.Context, *sdk.ListShardsInput, ...func(*sdk.Options)) (*sdk.ListShardsOutput, error) {
	return &sdk.ListShardsOutput{Shards: []types.Shard{{
		ShardId:      aws.String("shardId-0"),
		HashKeyRange: &types.HashKeyRange{StartingHashKey: aws.String("0"), EndingHashKey: aws.String(kpl.MaxHash.String())},
	}}}, nil
}

func BenchmarkEmit(b *testing.B) {
	for name, change := range map[string]func(*kinesis.Options){
		"plain":       func(*kinesis.Options) {},
		"stateway":    func(o *kinesis.Options) { o.Envelope = kinesis.EnvelopeStateway },
		"cloudevents": func(o *kinesis.Options) { o.Envelope = kinesis.EnvelopeCloudEvents },
		"aggregates":  func(o *kinesis.Options) { o.Aggregate = true },
	} {
		b.Run(name, func(b *testing.B) {
			o := options(nil)
			o.Client, o.Records = newInstant(), 1000
			change(&o)
			e, err := kinesis.OpenEmitter(o)
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			var recs []egress.Record
			for i := range 200 { // as a worker hands over at a time
				recs = append(recs, record(b, "s", fmt.Sprintf("customer-%d", i), "", strings.Repeat("x", 100)))
			}
			emitAll(b, e, recs)
		})
	}
}

// emitAll emits batches until the benchmark ends, at most as many as there is room for.
func emitAll(b *testing.B, e *kinesis.Emitter, recs []egress.Record) {
	var mu sync.Mutex
	more := sync.NewCond(&mu)
	emitted, done := 0, 0
	b.ReportAllocs()
	b.ResetTimer()
	for emitted < b.N {
		mu.Lock()
		for emitted-done > 800 {
			more.Wait()
		}
		mu.Unlock()
		emitted += e.Emit(0, recs, func(from, to int, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				b.Error(err)
			}
			done += to - from
			more.Signal()
		})
	}
	mu.Lock()
	for done < emitted {
		more.Wait()
	}
	mu.Unlock()
	b.ReportMetric(float64(emitted)/b.Elapsed().Seconds(), "records/s")
}
