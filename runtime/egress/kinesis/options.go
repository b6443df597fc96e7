package kinesis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/stateway/stateway/internal/awsclient"
	"github.com/stateway/stateway/runtime/core"
)

// Limits of Kinesis, from the API reference of PutRecords and UpdateMaxRecordSize (November 2026). Until October 2025 a call had 5 MiB.
const (
	// MaxCallRecords and MaxCallBytes bound one PutRecords; bytes are data and partition keys.
	MaxCallRecords = 500
	MaxCallBytes   = 10 << 20
	// MaxRecordBytes is the most that a stream can be told to take as one record, data and partition key together.
	MaxRecordBytes = 10 << 20
	// DefaultRecordBytes is what a stream takes unless it was told otherwise.
	DefaultRecordBytes = 1 << 20
	// MaxKeyChars is the length of a partition key, in characters.
	MaxKeyChars = 256
	// ShardRecords and ShardBytes are what a shard takes in a second.
	ShardRecords = 1000
	ShardBytes   = 1 << 20
)

// Client is what the egress needs of the Kinesis client of the AWS SDK. Its retries should be off: those here keep the order.
type Client interface {
	PutRecords(context.Context, *kinesis.PutRecordsInput, ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error)
	ListShards(context.Context, *kinesis.ListShardsInput, ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
}

// Envelope says how a record carries its id.
type Envelope string

// The envelopes; docs/formats.md draws them.
const (
	// EnvelopeNone: the payload alone, without id.
	EnvelopeNone Envelope = "none"
	// EnvelopeStateway: some 50 bytes before the payload.
	EnvelopeStateway Envelope = "stateway"
	// EnvelopeCloudEvents: an event of CloudEvents 1.0 in structured JSON.
	EnvelopeCloudEvents Envelope = "cloudevents"
)

// KeyRule says which partition key a record gets that names none.
type KeyRule string

// The rules.
const (
	// KeyShard is the number of the Stateway shard that the record comes from: what one Address sends stays in order, and there are
	// as many keys as shards.
	KeyShard KeyRule = "shard"
	// KeyRecord is another key for each record: spread evenly, in no order.
	KeyRecord KeyRule = "record"
)

// Options describe a Kinesis egress.
type Options struct {
	// Client reaches Kinesis; required.
	Client Client
	// Name is the egress's namespace/name, for errors and the source of CloudEvents.
	Name string
	// Application goes into the ids of records.
	Application core.ApplicationID

	// Stream takes the records that name none: a stream's name or ARN. Empty means that such records are refused.
	Stream string
	// Key is the rule for records without partition key. Empty means KeyShard.
	Key KeyRule
	// Envelope of all records. Empty means EnvelopeNone for an Emitter and EnvelopeStateway for a Publisher.
	Envelope Envelope
	// RecordBytes is the most that one record may have, data with envelope and partition key together. Zero means 1 MiB, which every
	// stream takes; up to 10 MiB for streams that were told so.
	RecordBytes int

	// Aggregate packs records of a shard into aggregates of the Kinesis Producer Library, up to AggregateBytes each; only readers that
	// know the format can read them. Zero bytes means 51,200.
	Aggregate      bool
	AggregateBytes int
	// Linger is how long a record may wait for others while the stream is idle. Zero: not at all. Longer means fewer calls and
	// fuller aggregates.
	Linger time.Duration

	// Lanes is how many workers emit; Records and Bytes bound what each has open. Zero means 1 lane, 1,000 records and
	// 16 MiB. A Publisher looks at Bytes alone.
	Lanes   int
	Records int
	Bytes   int64

	// RateLimit paces each shard at so many per cent of 1,000 records and 1 MiB a second. Zero means that only a shard that was throttled in
	// the last minute is paced, at 100.
	RateLimit int
	// Calls is how many PutRecords of a stream may be open. Zero means 16.
	Calls int
	// CallTimeout bounds one call. Zero means 30 s. A call given up may still have its effect.
	CallTimeout time.Duration
	// Random gives numbers from 0 to below 1, for pauses. Nil means the process's random numbers.
	Random func() float64
	// Log takes what concerns no record: shards that cannot be listed. Nil means nowhere.
	Log *slog.Logger
}

const (
	joinTime   = 10 * time.Millisecond // while calls are open, records gather this long at most
	closeGrace = 2 * time.Second       // for open calls to end at Close
	listLimit  = 10 * time.Second      // for listing the shards of a stream
	paceTime   = time.Minute           // a throttled shard is paced
)

func (o Options) withDefaults(fallback Envelope) Options {
	setDefault(&o.Key, KeyShard)
	setDefault(&o.Envelope, fallback)
	setDefault(&o.RecordBytes, DefaultRecordBytes)
	setDefault(&o.AggregateBytes, 51_200)
	setDefault(&o.Lanes, 1)
	setDefault(&o.Records, 1000)
	setDefault(&o.Bytes, 16<<20)
	setDefault(&o.Calls, 16)
	setDefault(&o.CallTimeout, 30*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T comparable](v *T, value T) {
	if *v == *new(T) {
		*v = value
	}
}

// prepare fills in defaults and reports all conflicts.
func (o Options) prepare(fallback Envelope) (Options, error) {
	o = o.withDefaults(fallback)
	var errs []error
	if o.Client == nil {
		errs = append(errs, errors.New("no Client"))
	}
	if o.Stream != "" && !validStream(o.Stream) {
		errs = append(errs, fmt.Errorf("stream %q: want a stream's name or ARN", o.Stream))
	}
	if o.Key != KeyShard && o.Key != KeyRecord {
		errs = append(errs, fmt.Errorf("key %q: want %s or %s", o.Key, KeyShard, KeyRecord))
	}
	if o.Envelope != EnvelopeNone && o.Envelope != EnvelopeStateway && o.Envelope != EnvelopeCloudEvents {
		errs = append(errs, fmt.Errorf("envelope %q: want %s, %s or %s", o.Envelope, EnvelopeNone, EnvelopeStateway, EnvelopeCloudEvents))
	}
	if o.RecordBytes < 1024 || o.RecordBytes > MaxRecordBytes {
		errs = append(errs, fmt.Errorf("RecordBytes %d: want 1,024 to %d", o.RecordBytes, MaxRecordBytes))
	}
	if o.AggregateBytes < 1024 || o.AggregateBytes > o.RecordBytes {
		errs = append(errs, fmt.Errorf("AggregateBytes %d: want 1,024 to RecordBytes, %d", o.AggregateBytes, o.RecordBytes))
	}
	if o.Lanes < 1 || o.Records < 1 || o.Bytes < 1 || o.Calls < 1 || o.CallTimeout < 0 || o.Linger < 0 || o.RateLimit < 0 {
		errs = append(errs, errors.New("Lanes, Records, Bytes, Calls, CallTimeout, Linger and RateLimit cannot be below zero"))
	}
	if len(errs) > 0 {
		return o, fmt.Errorf("kinesis egress %s: %w", o.Name, errors.Join(errs...))
	}
	return o, nil
}

// Pauses: of a shard that throttles or a call without answer, and of a stream that cannot be written to.
func (o *Options) shortPause() awsclient.Backoff {
	return awsclient.Backoff{Base: 100 * time.Millisecond, Max: 5 * time.Second, Random: o.Random}
}

func longPause() awsclient.Backoff {
	return awsclient.Backoff{Base: time.Second, Max: 30 * time.Second}
}
