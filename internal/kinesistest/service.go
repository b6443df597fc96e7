package kinesistest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/kpl"
)

// Options say how a Service behaves. The zero value is Kinesis as documented, without quotas.
type Options struct {
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
	// Quotas: a shard answers 5 GetRecords a second and 2 MB a second, and takes 1,000 records and 1 MB a second.
	Quotas bool
	// IteratorAge is how long an iterator is good for. Zero means 5 minutes.
	IteratorAge time.Duration
	// SubscriptionAge is how long a subscription lasts. Zero means 5 minutes.
	SubscriptionAge time.Duration
	// ShardsPerPage is the most that one answer of ListShards has. Zero means 1000.
	ShardsPerPage int
	// NoChildShards: answers at a shard's end name no children; filters of ListShards are ignored; and the end shows only
	// in an answer that has no records. So does kinesalite.
	NoChildShards bool
	// EmptyEvery makes every so manyth GetRecords of a shard answer without records, as Kinesis does now and then. Zero means never.
	EmptyEvery int
	// MaxConsumers is how many consumers a stream takes. Zero means 20.
	MaxConsumers int
}

// Service is Kinesis in one account and region.
type Service struct {
	opts Options

	mu      sync.Mutex
	streams map[string]*stream // guarded by mu
	issued  int                // guarded by mu: numbers given out
	calls   map[string]int     // guarded by mu: by operation
	before  Fault              // guarded by mu
	after   Fault              // guarded by mu
	changed chan struct{}      // guarded by mu: closed and replaced when a stream changes
}

// Fault decides whether a call fails: it is given the operation's name and its input. Nil lets the call pass.
type Fault func(operation string, input any) error

type stream struct {
	name      string
	created   time.Time
	retention time.Duration
	shards    []*shard
	consumers map[string]*consumer
	counter   int64 // of sequence numbers
}

type shard struct {
	id               string
	number           int
	parent, adjacent string
	low, high        kpl.Hash
	opened, closed   time.Time // closed is zero while it is open
	first, last      string    // sequence numbers; last is empty while it is open
	records          []record
	reads, writes    quota
	asked            int // GetRecords
}

type record struct {
	types.Record
	arrived time.Time
}

// The account and region in ARNs.
const (
	Account = "123456789012"
	Region  = "eu-central-1"
)

// New makes a Service without streams.
func New(opts Options) *Service {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.IteratorAge == 0 {
		opts.IteratorAge = 5 * time.Minute
	}
	if opts.SubscriptionAge == 0 {
		opts.SubscriptionAge = 5 * time.Minute
	}
	if opts.ShardsPerPage == 0 {
		opts.ShardsPerPage = 1000
	}
	if opts.MaxConsumers == 0 {
		opts.MaxConsumers = 20
	}
	return &Service{opts: opts, streams: map[string]*stream{}, calls: map[string]int{}, changed: make(chan struct{})}
}

// ARN is the ARN of a stream.
func ARN(stream string) string {
	return "arn:aws:kinesis:" + Region + ":" + Account + ":stream/" + stream
}

// Create makes a stream with so many shards of equal ranges and a retention of 24 hours.
func (s *Service) Create(name string, shards int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &stream{name: name, created: s.opts.Now(), retention: 24 * time.Hour, consumers: map[string]*consumer{}}
	for _, r := range ranges(shards) {
		st.open(r[0], r[1], "", "", st.created)
	}
	s.streams[name] = st
	s.changeLocked()
}

// Delete removes a stream.
func (s *Service) Delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, name)
	s.changeLocked()
}

// SetRetention changes how long records are kept.
func (s *Service) SetRetention(name string, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[name].retention = d
}

// SetFaults sets what fails before a call takes effect, and after it did, its answer lost. Nil is nothing.
func (s *Service) SetFaults(before, after Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

// Calls is how often an operation was called.
func (s *Service) Calls(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}

func (s *Service) changeLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// call runs one operation: counts it, and lets it fail before or after.
func call[T any](ctx context.Context, s *Service, operation string, input any, do func() (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	s.mu.Lock()
	s.calls[operation]++
	before, after := s.before, s.after
	s.mu.Unlock()
	if before != nil {
		if err := before(operation, input); err != nil {
			return none, err
		}
	}
	s.mu.Lock()
	out, err := do()
	s.mu.Unlock()
	if err == nil && after != nil {
		err = after(operation, input)
	}
	if err != nil {
		return none, err
	}
	return out, nil
}

// find looks a stream up by name or ARN.
func (s *Service) find(name, arn *string) (*stream, error) {
	key := aws.ToString(name)
	if arn != nil {
		key = strings.TrimPrefix(*arn, ARN(""))
	}
	st := s.streams[key]
	if st == nil {
		return nil, notFound("Stream %s under account %s not found.", key, Account)
	}
	return st, nil
}

func notFound(format string, args ...any) error {
	return &types.ResourceNotFoundException{Message: aws.String(fmt.Sprintf(format, args...))}
}

func invalid(format string, args ...any) error {
	return &types.InvalidArgumentException{Message: aws.String(fmt.Sprintf(format, args...))}
}

// Throttled is the error of a shard that is asked for too much.
func Throttled(shard string) error {
	return &types.ProvisionedThroughputExceededException{Message: aws.String("Rate exceeded for shard " + shard)}
}

func (st *stream) shard(id string) *shard {
	i := slices.IndexFunc(st.shards, func(sh *shard) bool { return sh.id == id })
	if i < 0 {
		return nil
	}
	return st.shards[i]
}

// horizon is the time before which everything is gone.
func (st *stream) horizon(now time.Time) time.Time { return now.Add(-st.retention) }

// gone reports whether the shard is listed no more.
func (sh *shard) gone(horizon time.Time) bool {
	return !sh.closed.IsZero() && sh.closed.Before(horizon)
}

// oldest is the index of the oldest record that is left.
func (sh *shard) oldest(horizon time.Time) int {
	i := slices.IndexFunc(sh.records, func(r record) bool { return !r.arrived.Before(horizon) })
	if i < 0 {
		return len(sh.records)
	}
	return i
}

func (st *stream) open(low, high kpl.Hash, parent, adjacent string, now time.Time) *shard {
	sh := &shard{
		id: fmt.Sprintf("shardId-%012d", len(st.shards)), number: len(st.shards), parent: parent, adjacent: adjacent,
		low: low, high: high, opened: now,
	}
	sh.first = st.sequence(sh)
	st.shards = append(st.shards, sh)
	return sh
}

// sequence is the next sequence number: 56 digits that tell the stream, the order and the shard.
func (st *stream) sequence(sh *shard) string {
	st.counter++
	return fmt.Sprintf("4965%014d%022d%012d0002", st.created.UnixMilli(), st.counter, sh.number)
}

// owns reports whether a sequence number is one of the shard.
func (st *stream) owns(sh *shard, seq string) bool {
	return len(seq) == 56 && seq[:18] == fmt.Sprintf("4965%014d", st.created.UnixMilli()) && seq[40:] == fmt.Sprintf("%012d0002", sh.number)
}
