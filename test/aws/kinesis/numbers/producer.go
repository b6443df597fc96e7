package numbers

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/test/harness"
)

// maxCall is how many records go in a call.
const maxCall = 500

// Producer puts numbered records, one of each key in turn. Its methods belong to one goroutine, except Sent.
type Producer struct {
	Client harness.KinesisClient
	Stream string
	Keys   int

	mu   sync.Mutex
	sent int // guarded by mu: records of each key
}

// Key is the name of the i-th key.
func Key(i int) string { return fmt.Sprintf("k%d", i) }

// Sent is how many records of each key have been put.
func (p *Producer) Sent() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

// Round puts the next record of every key. After an error some are put and some not, and the producer cannot go on.
func (p *Producer) Round(ctx context.Context) error {
	next := p.Sent() + 1
	for from := 0; from < p.Keys; from += maxCall {
		var entries []types.PutRecordsRequestEntry
		for i := from; i < min(from+maxCall, p.Keys); i++ {
			data, err := json.Marshal(Record{Key(i), next})
			if err != nil {
				return err
			}
			entries = append(entries, types.PutRecordsRequestEntry{PartitionKey: aws.String(Key(i)), Data: data})
		}
		if err := p.put(ctx, entries); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = next
	return nil
}

// put puts records and tries those again that were refused.
func (p *Producer) put(ctx context.Context, entries []types.PutRecordsRequestEntry) error {
	for len(entries) > 0 {
		out, err := p.Client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: aws.String(p.Stream), Records: entries})
		if err != nil {
			return fmt.Errorf("put %d records to stream %s: %w", len(entries), p.Stream, err)
		}
		var refused []types.PutRecordsRequestEntry
		for i, r := range out.Records {
			if r.ErrorCode != nil {
				refused = append(refused, entries[i])
			}
		}
		entries = refused
	}
	return nil
}

// Start puts a round at every tick until the function that it returns is called, which waits for the last one.
func (p *Producer) Start(ctx context.Context, every time.Duration) (end func() error) {
	until, cancel := context.WithCancel(ctx)
	result := make(chan error, 1)
	go func() {
		for until.Err() == nil {
			began := time.Now()
			if err := p.Round(ctx); err != nil {
				result <- err
				return
			}
			select {
			case <-until.Done():
			case <-time.After(every - time.Since(began)):
			}
		}
		result <- nil
	}()
	return func() error { cancel(); return <-result }
}
