package kinesis_test

import (
	"context"
	"crypto/md5" //nolint:gosec // Kinesis places records by it
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/kpl"
)

// fake is Kinesis as its reference describes it: shards with ranges, records taken or not one by one and in any order. It checks every
// call against the published limits, and that no two open calls hold the same hash key.
type fake struct {
	mu       sync.Mutex
	rnd      *rand.Rand
	streams  map[string]*fakeStream
	open     map[string]bool // stream and hash key of open calls
	broken   []string        // rules that calls broke
	calls    int
	lists    int
	late     sync.WaitGroup // calls that take effect after they were given up
	faults   faults
	putErr   func(*sdk.PutRecordsInput) error // before anything is taken
	entryErr func(shard string) string        // error code of a record for this shard; empty if it is taken
	listErr  error
	onPut    func() // at the end of each call
	size     int    // largest record; zero means no limit
}

// faults are probabilities.
type faults struct {
	throttle, internal float64 // of a record
	reset              float64 // of a call: nothing is taken
	lose               float64 // of a call: what is taken is taken, the answer is lost
	ghost              float64 // of a call: it is given up, and takes effect later
	list               float64 // of a listing
	latency            time.Duration
}

type fakeStream struct {
	shards  []fakeShard
	next    int
	records []stored
	list    []fakeShard // what listings say; nil means shards
}

type fakeShard struct {
	id        string
	low, high *big.Int
	closed    bool
}

type stored struct {
	shard    string
	key      string
	explicit string
	data     string
	at       time.Time
}

func newFake(seed uint64) *fake {
	return &fake{rnd: rand.New(rand.NewPCG(seed, 1)), streams: map[string]*fakeStream{}, open: map[string]bool{}} //nolint:gosec // repeatable
}

var hashEnd = new(big.Int).Lsh(big.NewInt(1), 128)

// create makes a stream with so many even shards.
func (f *fake) create(name string, shards int) *fakeStream {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &fakeStream{}
	for i := range shards {
		low := new(big.Int).Div(new(big.Int).Mul(hashEnd, big.NewInt(int64(i))), big.NewInt(int64(shards)))
		high := new(big.Int).Div(new(big.Int).Mul(hashEnd, big.NewInt(int64(i+1))), big.NewInt(int64(shards)))
		s.add(low, high.Sub(high, big.NewInt(1)))
	}
	f.streams[name] = s
	return s
}

func (s *fakeStream) add(low, high *big.Int) {
	s.shards = append(s.shards, fakeShard{id: fmt.Sprintf("shardId-%012d", s.next), low: low, high: high})
	s.next++
}

// split splits the i-th open shard in the middle.
func (f *fake) split(name string, i int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.streams[name]
	var open []int
	for at := range s.shards {
		if !s.shards[at].closed {
			open = append(open, at)
		}
	}
	sh := &s.shards[open[i%len(open)]]
	sh.closed = true
	low, high := sh.low, sh.high
	middle := new(big.Int).Rsh(new(big.Int).Add(low, high), 1)
	s.add(low, middle)
	s.add(new(big.Int).Add(middle, big.NewInt(1)), high)
}

func (s *fakeStream) shardOf(hash *big.Int) *fakeShard {
	for i := range s.shards {
		if sh := &s.shards[i]; !sh.closed && sh.low.Cmp(hash) <= 0 && hash.Cmp(sh.high) <= 0 {
			return sh
		}
	}
	return nil
}

// bigHash is where a record goes.
func bigHash(key, explicit string) *big.Int {
	if explicit != "" {
		h, ok := new(big.Int).SetString(explicit, 10)
		if !ok || h.Cmp(hashEnd) >= 0 {
			return nil
		}
		return h
	}
	sum := md5.Sum([]byte(key)) //nolint:gosec // see above
	return new(big.Int).SetBytes(sum[:])
}

func (f *fake) chance(p float64) bool { return p > 0 && f.rnd.Float64() < p }

// invalid checks a call against the published limits.
func (f *fake) invalid(in *sdk.PutRecordsInput) error {
	bytes := 0
	for _, r := range in.Records {
		size := len(r.Data) + len(*r.PartitionKey)
		bytes += size
		if n := utf8.RuneCountInString(*r.PartitionKey); n < 1 || n > 256 {
			return &types.InvalidArgumentException{Message: aws.String("partition key")}
		}
		if bigHash(*r.PartitionKey, aws.ToString(r.ExplicitHashKey)) == nil {
			return &types.InvalidArgumentException{Message: aws.String("hash key")}
		}
		if f.size > 0 && size > f.size {
			return &types.InvalidArgumentException{Message: aws.String("record too large")}
		}
	}
	if len(in.Records) < 1 || len(in.Records) > 500 || bytes > 10<<20 {
		f.broken = append(f.broken, fmt.Sprintf("a call of %d records and %d bytes", len(in.Records), bytes))
	}
	return nil
}

// hashes are the hash keys that a call holds, also within aggregates.
func hashes(in *sdk.PutRecordsInput) []string {
	var all []string
	for _, r := range in.Records {
		users, aggregated, err := kpl.Decode(r.Data, nil)
		if !aggregated || err != nil {
			all = append(all, bigHash(*r.PartitionKey, aws.ToString(r.ExplicitHashKey)).String())
			continue
		}
		var own []string
		for _, u := range users {
			own = append(own, bigHash(string(u.PartitionKey), string(u.ExplicitHashKey)).String())
		}
		slices.Sort(own)
		all = append(all, slices.Compact(own)...)
	}
	return all
}

func (f *fake) PutRecords(ctx context.Context, in *sdk.PutRecordsInput, _ ...func(*sdk.Options)) (*sdk.PutRecordsOutput, error) {
	name := aws.ToString(in.StreamName) + aws.ToString(in.StreamARN)
	f.mu.Lock()
	f.calls++
	err := f.invalid(in)
	if f.putErr != nil && err == nil {
		err = f.putErr(in)
	}
	if err != nil {
		f.mu.Unlock()
		return nil, err
	}
	held := hashes(in)
	for i, h := range held {
		if f.open[name+h] || slices.Contains(held[:i], h) {
			f.broken = append(f.broken, "two open puts of "+name+" hold hash key "+h)
		}
	}
	for _, h := range held {
		f.open[name+h] = true
	}
	latency := f.faults.latency
	if latency > 0 {
		latency = time.Duration(f.rnd.Int64N(int64(2 * latency)))
	}
	reset, lose, ghost := f.chance(f.faults.reset), f.chance(f.faults.lose), f.chance(f.faults.ghost)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		for _, h := range held {
			delete(f.open, name+h)
		}
		done := f.onPut
		f.mu.Unlock()
		if done != nil {
			done()
		}
	}()
	if latency > 0 {
		select {
		case <-time.After(latency):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	switch {
	case reset:
		return nil, &types.InternalFailureException{}
	case ghost:
		f.late.Go(func() {
			time.Sleep(5 * time.Millisecond)
			_, _ = f.take(name, in)
		})
		return nil, context.DeadlineExceeded
	}
	out, err := f.take(name, in)
	if lose && err == nil {
		return nil, fmt.Errorf("operation error Kinesis: PutRecords: %w", context.DeadlineExceeded)
	}
	return out, err
}

// take takes the records in any order, each or not.
func (f *fake) take(name string, in *sdk.PutRecordsInput) (*sdk.PutRecordsOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.streams[name]
	if s == nil {
		return nil, &types.ResourceNotFoundException{Message: aws.String("Stream " + name + " under account 123 not found.")}
	}
	out := &sdk.PutRecordsOutput{Records: make([]types.PutRecordsResultEntry, len(in.Records))}
	for _, i := range f.rnd.Perm(len(in.Records)) {
		r := &in.Records[i]
		sh := s.shardOf(bigHash(*r.PartitionKey, aws.ToString(r.ExplicitHashKey)))
		code := ""
		switch {
		case f.entryErr != nil && f.entryErr(sh.id) != "":
			code = f.entryErr(sh.id)
		case f.chance(f.faults.throttle):
			code = "ProvisionedThroughputExceededException"
		case f.chance(f.faults.internal):
			code = "InternalFailure"
		}
		if code != "" {
			out.Records[i].ErrorCode, out.Records[i].ErrorMessage = aws.String(code), aws.String("no")
			continue
		}
		s.records = append(s.records, stored{
			shard: sh.id, key: *r.PartitionKey, explicit: aws.ToString(r.ExplicitHashKey), data: string(r.Data), at: time.Now(),
		})
		out.Records[i].ShardId, out.Records[i].SequenceNumber = aws.String(sh.id), aws.String(strconv.Itoa(len(s.records)))
	}
	return out, nil
}

func (f *fake) ListShards(_ context.Context, in *sdk.ListShardsInput, _ ...func(*sdk.Options)) (*sdk.ListShardsOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists++
	if f.listErr != nil {
		return nil, f.listErr
	}
	if f.chance(f.faults.list) {
		return nil, &types.LimitExceededException{}
	}
	name, from := aws.ToString(in.StreamName)+aws.ToString(in.StreamARN), 0
	if in.NextToken != nil {
		if _, err := fmt.Sscanf(*in.NextToken, "%d %s", &from, &name); err != nil || in.ShardFilter != nil || in.StreamName != nil {
			return nil, errors.New("a token goes alone")
		}
	}
	s := f.streams[name]
	if s == nil {
		return nil, &types.ResourceNotFoundException{}
	}
	list := s.shards
	if s.list != nil {
		list = s.list
	}
	out := &sdk.ListShardsOutput{}
	for _, sh := range list[from:min(from+3, len(list))] { // in pages, closed shards among them
		one := types.Shard{
			ShardId:             aws.String(sh.id),
			HashKeyRange:        &types.HashKeyRange{StartingHashKey: aws.String(sh.low.String()), EndingHashKey: aws.String(sh.high.String())},
			SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String("0")},
		}
		if sh.closed {
			one.SequenceNumberRange.EndingSequenceNumber = aws.String("9")
		}
		out.Shards = append(out.Shards, one)
	}
	if from+3 < len(list) {
		out.NextToken = aws.String(fmt.Sprintf("%d %s", from+3, name))
	}
	return out, nil
}

// user is a record as a reader of the KPL's kind sees it.
type user struct{ shard, key, data string }

// users reads a stream in the order of arrival: aggregates taken apart, and without what is in a shard to which it does not belong.
func (f *fake) users(name string) []user {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.streams[name]
	var all []user
	for _, r := range s.records {
		inner, aggregated, err := kpl.Decode([]byte(r.data), nil)
		if err != nil {
			f.broken = append(f.broken, err.Error())
		}
		if !aggregated {
			all = append(all, user{r.shard, r.key, r.data})
			continue
		}
		at := slices.IndexFunc(s.shards, func(sh fakeShard) bool { return sh.id == r.shard })
		for _, u := range inner {
			h := bigHash(string(u.PartitionKey), string(u.ExplicitHashKey))
			if sh := &s.shards[at]; sh.low.Cmp(h) <= 0 && h.Cmp(sh.high) <= 0 {
				all = append(all, user{r.shard, string(u.PartitionKey), string(u.Data)})
			}
		}
	}
	return all
}

// rulesBroken are what calls did wrong.
func (f *fake) rulesBroken() []string {
	f.late.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.broken
}

// contextWithLimit ends by itself.
func contextWithLimit(t *testing.T, limit time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), limit)
}

// pass lets virtual time pass, and everybody come to rest.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
