package kinesis

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/ingress/kinesis/lineage"
)

// Mode is how shards are read.
type Mode uint8

const (
	// Auto: enhanced fan-out if a consumer can be had, otherwise polling. Which one, is logged once a stream.
	Auto Mode = iota
	// Polling: GetRecords, within the quotas that all consumers of a shard share.
	Polling
	// FanOut: SubscribeToShard, with 2 MB/s a shard of its own; it costs extra.
	FanOut
)

// OnTruncation is what happens when records that were still to be read are gone.
type OnTruncation uint8

const (
	// Fail: the shard is not read until an operator accepts the loss (ErrTruncated).
	Fail OnTruncation = iota
	// GoOn: reading goes on at the oldest record there is; the loss is logged. In a module: earliest.
	GoOn
)

// OnInvalid is what happens to a record that cannot be read.
type OnInvalid uint8

const (
	// DeadLetterOrHold: DeadLetter if Options.DeadLetter names an egress, otherwise Hold.
	DeadLetterOrHold OnInvalid = iota
	// Hold: the shard is not read until an operator decides otherwise (ErrHeld).
	Hold
	// Skip: it is counted, and logged now and then.
	Skip
	// DeadLetter: it goes to the egress Options.DeadLetter.
	DeadLetter
)

// Format is how a record's bytes are read.
type Format uint8

const (
	// Raw: the bytes are the value.
	Raw Format = iota
	// CloudEvents: a CloudEvent as structured JSON; its data is the value.
	CloudEvents
	// Stateway: the envelope of Stateway's own egress; its payload is the value.
	Stateway
)

// Dedupe is by which id repeats of a record are dropped, at each target Address.
type Dedupe uint8

const (
	// DedupeNone: repeats are not told.
	DedupeNone Dedupe = iota
	// DedupeCloudEvents: by source and id of the CloudEvent that the record's bytes are.
	DedupeCloudEvents
	// DedupeStateway: by the stable id in the envelope; for Format Stateway.
	DedupeStateway
)

// Startup is where a stream begins of which no checkpoint knows a shard.
type Startup struct {
	// Kind is latest, earliest or date. The zero value is latest.
	Kind lineage.StartKind
	// Date is the time of arrival to begin at, for lineage.Date; after 1970, not in the future.
	Date time.Time
}

// Stream is one stream and what becomes of its records.
type Stream struct {
	// Stream is its name or ARN. The name alone is part of positions, so that one may take the other's place; so no two
	// streams of an ingress have the same name.
	Stream string
	// ValueType is the typename of values. With Format Stateway it may be empty: then the envelope says it.
	ValueType string
	// Targets get one message each for every record, with its key as id.
	Targets []core.FunctionType
	// Router makes the messages instead, more slowly. One of the two is needed.
	Router ingress.Router
	// KeyPointer is a JSON pointer (RFC 6901) to the key in the value, such as /user/id: a text or a number. KeyPrefix is the
	// text that ends the key, which the value begins with. At most one; without either, the partition key is the key.
	KeyPointer, KeyPrefix string
	Format                Format
	Dedupe                Dedupe
}

// Options describe one ingress.
type Options struct {
	// API is Kinesis in one region.
	API API
	// Region is the region of API, for errors; empty if it is not known.
	Region string
	// Streams are those to read; at least one.
	Streams []Stream
	Mode    Mode
	// ConsumerName is under which name enhanced fan-out is registered with each stream: 1 to 128 of a-z A-Z 0-9 _ . -, the
	// same on all nodes of an application and of no other. Not needed for Polling.
	ConsumerName string
	Startup      Startup
	OnTruncation OnTruncation
	OnInvalid    OnInvalid
	// DeadLetter is the egress (ns/name) that bad records go to.
	DeadLetter string

	// PollEvery is the least time between two GetRecords of a shard. Zero means 200 ms, the quota; more leaves some of
	// the quota to other consumers of the stream.
	PollEvery time.Duration
	// BufferBytes is how much all shards of this process together may have read ahead of what they put. Zero means 64 MiB;
	// below 10 MiB, the largest answer, shards that are behind wait for each other.
	BufferBytes int64
	// CallTimeout bounds each call, and the wait for the first event of a subscription. Zero means 30 seconds.
	CallTimeout time.Duration

	// Now is the clock, Random gives numbers from 0 to below 1. Nil means those of the process.
	Now    func() time.Time
	Random func() float64
	// Log takes warnings. Nil means nowhere.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	setDefault(&o.PollEvery, 200*time.Millisecond)
	setDefault(&o.BufferBytes, 64<<20)
	setDefault(&o.CallTimeout, 30*time.Second)
	if o.OnInvalid == DeadLetterOrHold {
		o.OnInvalid = Hold
		if o.DeadLetter != "" {
			o.OnInvalid = DeadLetter
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

var consumerNames = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)

func (o Options) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.API == nil {
		bad("option API is missing")
	}
	if o.Mode > FanOut || o.OnTruncation > GoOn || o.OnInvalid > DeadLetter || o.Startup.Kind > lineage.Date {
		bad("mode %d, onTruncation %d, onInvalid %d or startup %d is unknown", o.Mode, o.OnTruncation, o.OnInvalid, o.Startup.Kind)
	}
	if o.Mode != Polling && !consumerNames.MatchString(o.ConsumerName) {
		bad("consumerName %q: want 1 to 128 of a-z A-Z 0-9 _ . -", o.ConsumerName)
	}
	if o.OnInvalid == DeadLetter && o.DeadLetter == "" {
		bad("onInvalid: deadLetter needs an egress to send to: set deadLetter")
	}
	if o.Startup.Kind == lineage.Date && o.Startup.Date.UnixMilli() <= 0 {
		bad("startup date %s: want a time after 1970", o.Startup.Date)
	}
	if o.PollEvery < 0 || o.BufferBytes < 0 || o.CallTimeout < 0 {
		bad("pollEvery %s, bufferBytes %d, callTimeout %s: none may be below 0", o.PollEvery, o.BufferBytes, o.CallTimeout)
	}
	if len(o.Streams) == 0 {
		bad("streams: at least one is needed")
	}
	names := map[string]bool{}
	for _, s := range o.Streams {
		name, err := s.validate(o.Region)
		if err != nil {
			bad("stream %s: %w", s.Stream, err)
		}
		if names[name] {
			bad("stream %s is there twice: put the second into another ingress, with an id of its own", name)
		}
		names[name] = true
	}
	return errors.Join(errs...)
}

var (
	streamNames = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)
	streamARNs  = regexp.MustCompile(`^arn:[a-z-]+:kinesis:([a-z0-9-]+):[0-9]{12}:stream/([a-zA-Z0-9_.-]{1,128})$`)
)

// resolve gives the stream's name, and its ARN and region if it was given by ARN.
func (s Stream) resolve() (name, arn, region string, err error) {
	if m := streamARNs.FindStringSubmatch(s.Stream); m != nil {
		return m[2], s.Stream, m[1], nil
	}
	if !streamNames.MatchString(s.Stream) {
		return s.Stream, "", "", errors.New("want a name of 1 to 128 of a-z A-Z 0-9 _ . -, or an ARN such as arn:aws:kinesis:eu-central-1:123456789012:stream/orders")
	}
	return s.Stream, "", "", nil
}

func (s Stream) validate(region string) (string, error) {
	name, _, in, err := s.resolve()
	errs := []error{err}
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if region != "" && in != "" && in != region {
		bad("it is in region %s, but this ingress reads from %s: set awsRegion, or use an ingress for each region", in, region)
	}
	if (len(s.Targets) == 0) == (s.Router == nil) {
		bad("targets: at least one function type or a router is needed, and not both")
	}
	if s.ValueType == "" && s.Format != Stateway {
		bad("valueType is missing")
	}
	if s.Format > Stateway || s.Dedupe > DedupeStateway {
		bad("format %d or dedupe %d is unknown", s.Format, s.Dedupe)
	}
	if s.Dedupe == DedupeStateway && s.Format != Stateway {
		bad("dedupe: stateway needs format: stateway, so that the id is not taken for a part of the value")
	}
	if s.Dedupe == DedupeCloudEvents && s.Format == Stateway {
		bad("dedupe: cloudevents needs format: cloudevents or raw")
	}
	if s.KeyPointer != "" && s.KeyPrefix != "" {
		bad("key: pointer and prefix exclude each other")
	}
	if s.KeyPointer != "" && !strings.HasPrefix(s.KeyPointer, "/") {
		bad("key pointer %q: want a JSON pointer such as /user/id", s.KeyPointer)
	}
	return name, errors.Join(errs...)
}
