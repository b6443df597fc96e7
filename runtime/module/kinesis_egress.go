package module

import (
	"math"
	"time"
)

// KinesisEgress writes to Kinesis data streams; a record of the SDKs names its stream.
type KinesisEgress struct {
	Region      AWSRegion
	Credentials AWSCredentials
	// MaxOutstandingRecords is how many records of each worker may wait for an answer; at least 1, default 1000.
	MaxOutstandingRecords int
	// Client are properties of the Kinesis Producer Library as given. Those that mean something here are in the fields that
	// follow.
	Client map[string]string `json:",omitzero"`

	// Delivery is DeliveryAtLeastOnce unless the file says otherwise.
	Delivery Delivery
	// Envelope is what is put around each record. Default none; never none with DeliveryAfterCommit.
	Envelope Envelope
	// Aggregation says whether small records are put together, in the form of the Kinesis Producer Library. Default false.
	Aggregation bool `json:",omitzero"`
	// Stream and StreamARN say where records go that name no stream. Both are empty if such records are refused; with an ARN,
	// Stream is the name in it.
	Stream    string `json:",omitzero"`
	StreamARN string `json:",omitzero"`
	// PartitionKey is the rule for records that name none. Default shard.
	PartitionKey PartitionKeyRule
	// RecordBytes is the longest record, with its key and envelope; from 1 KiB to 10 MiB, default 1 MiB.
	RecordBytes int

	// Linger is how long a record waits for others to travel with; default 0. A Client property.
	Linger time.Duration `json:"-"`
	// AggregateBytes is the size of an aggregate, RateLimit paces a shard in per cent of its quota, CallTimeout bounds a call;
	// zeros mean the driver's choice. Client properties.
	AggregateBytes int           `json:"-"`
	RateLimit      int           `json:"-"`
	CallTimeout    time.Duration `json:"-"`
	// Connections are limits of the HTTP client. Client properties.
	Connections AWSConnections `json:"-"`
}

// PartitionKeyRule says which partition key a record gets that names none.
type PartitionKeyRule string

// The rules for partition keys.
const (
	PartitionKeyShard  PartitionKeyRule = "shard"  // the number of the sender's shard: keeps the order of what one Address sends
	PartitionKeyRecord PartitionKeyRule = "record" // another for each record: spread evenly, without order
)

// Envelope is what is put around a record, so that a reader can tell repeats.
type Envelope string

// The envelopes.
const (
	EnvelopeNone        Envelope = "none"        // the record's bytes as the function sent them
	EnvelopeStateway    Envelope = "stateway"    // see docs/formats.md
	EnvelopeCloudEvents Envelope = "cloudevents" // structured JSON
)

func (*KinesisEgress) egress() {}

const (
	defaultOutstanding = 1000
	defaultRecord      = 1 << 20
	minRecord          = 1 << 10
	maxRecord          = 10 << 20
)

func (l *loader) kinesisEgress(kind string, spec *object) {
	k := &KinesisEgress{Delivery: DeliveryAtLeastOnce, Envelope: EnvelopeNone, PartitionKey: PartitionKeyShard}
	id, at := spec.id()
	k.Region, k.Credentials = l.region(spec), l.credentials(spec)
	k.MaxOutstandingRecords = int(spec.integer("maxOutstandingRecords", defaultOutstanding, 1, math.MaxInt32))
	k.Client = l.clientProperties(spec, k.properties(spec), nil, kplIdle)
	if s, n := spec.scalar("aggregation"); n != nil && l.oneOf(n, "aggregation", s, "true", "false") {
		k.Aggregation = s == "true"
	}
	l.kinesisDelivery(spec, k)
	if text, n := spec.scalar("stream"); n != nil {
		k.Stream, k.StreamARN = l.streamOf(text, n)
		l.checkRegion(n, k.StreamARN, k.Region, nil)
	}
	if s, n := spec.scalar("partitionKey"); n != nil &&
		l.oneOf(n, "partitionKey", s, string(PartitionKeyShard), string(PartitionKeyRecord)) {
		k.PartitionKey = PartitionKeyRule(s)
	}
	k.RecordBytes = int(spec.integer("recordBytes", defaultRecord, minRecord, maxRecord))
	l.addEgress(kind, id, at, k)
}

// kinesisDelivery reads delivery and envelope. Without an envelope nobody could tell repeats of what is to count once.
func (l *loader) kinesisDelivery(spec *object, k *KinesisEgress) {
	if s, n := spec.scalar("envelope"); n != nil &&
		l.oneOf(n, "envelope", s, string(EnvelopeNone), string(EnvelopeStateway), string(EnvelopeCloudEvents)) {
		k.Envelope = Envelope(s)
	}
	s, n := spec.scalar("delivery")
	if n == nil || !l.oneOf(n, "delivery", s, string(DeliveryAtLeastOnce), string(DeliveryAfterCommit)) {
		return
	}
	k.Delivery = Delivery(s)
	if k.Delivery == DeliveryAfterCommit && k.Envelope == EnvelopeNone {
		l.errorf(n.at, "add envelope: stateway, or envelope: cloudevents",
			"delivery: after-commit needs an envelope, which carries the id by which readers drop repeats")
	}
}
