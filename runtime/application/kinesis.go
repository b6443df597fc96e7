package application

import (
	"cmp"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
	kinesisout "github.com/stateway/stateway/runtime/egress/kinesis"
	"github.com/stateway/stateway/runtime/ingress"
	kinesisin "github.com/stateway/stateway/runtime/ingress/kinesis"
	"github.com/stateway/stateway/runtime/ingress/kinesis/lineage"
	"github.com/stateway/stateway/runtime/module"
)

// What a module's words are called by the driver.
var (
	kinesisModes = map[module.KinesisMode]kinesisin.Mode{
		module.KinesisPolling: kinesisin.Polling, module.KinesisFanOut: kinesisin.FanOut, module.KinesisAuto: kinesisin.Auto,
	}
	kinesisStarts = map[module.StartupKind]lineage.StartKind{
		module.StartLatest: lineage.Latest, module.StartEarliest: lineage.Earliest, module.StartDate: lineage.Date,
	}
	kinesisTruncations = map[module.OnTruncation]kinesisin.OnTruncation{
		module.TruncationFail: kinesisin.Fail, module.TruncationEarliest: kinesisin.GoOn,
	}
	kinesisInvalids = map[module.OnInvalid]kinesisin.OnInvalid{
		module.InvalidHold: kinesisin.Hold, module.InvalidSkip: kinesisin.Skip, module.InvalidDeadLetter: kinesisin.DeadLetter,
	}
	kinesisFormats = map[module.RecordFormat]kinesisin.Format{
		module.FormatRaw: kinesisin.Raw, module.FormatCloudEvents: kinesisin.CloudEvents, module.FormatStateway: kinesisin.Stateway,
	}
	kinesisDedupes = map[module.DedupeRule]kinesisin.Dedupe{
		module.DedupeNone: kinesisin.DedupeNone, module.DedupeCloudEvents: kinesisin.DedupeCloudEvents,
		module.DedupeStateway: kinesisin.DedupeStateway,
	}
)

func (b *builder) kinesisIngress(id string, spec *module.KinesisIngress) func() (ingress.Ingress, error) {
	client := b.kinesisClient(spec.Region, spec.RegionID(), spec.Credentials, spec.Connections)
	opts := kinesisin.Options{
		Streams: b.kinesisStreams(id, spec.Streams), Mode: kinesisModes[spec.Mode],
		ConsumerName: cmp.Or(spec.ConsumerName, b.opt.Application, anonymous),
		Startup:      kinesisin.Startup{Kind: kinesisStarts[spec.Startup.Kind], Date: spec.Startup.Date},
		OnTruncation: kinesisTruncations[spec.OnTruncation], OnInvalid: kinesisInvalids[spec.OnInvalid],
		PollEvery: spec.PollEvery, CallTimeout: spec.CallTimeout, Log: b.opt.Log.With("ingress", id),
	}
	if spec.OnInvalid == module.InvalidDeadLetter {
		opts.DeadLetter = spec.DeadLetter.String()
	}
	return func() (ingress.Ingress, error) {
		api, region, err := client.open()
		if err != nil {
			return nil, err
		}
		o := opts
		o.API, o.Region = kinesisin.Client{Client: api}, region
		in, err := kinesisin.Open(o)
		if err != nil {
			return nil, err
		}
		return &restingIngress{in, client}, nil
	}
}

// The drivers leave connections to their client. These close them with the driver.
type (
	restingIngress struct {
		*kinesisin.Ingress
		client *kinesisClient
	}
	restingEmitter struct {
		*kinesisout.Emitter
		client *kinesisClient
	}
	restingPublisher struct {
		*kinesisout.Publisher
		client *kinesisClient
	}
)

// Close implements ingress.Ingress.
func (r *restingIngress) Close() error {
	defer r.client.rest()
	return r.Ingress.Close()
}

// Close implements egress.Egress.
func (r *restingEmitter) Close() error {
	defer r.client.rest()
	return r.Emitter.Close()
}

// Close implements egress.Egress.
func (r *restingPublisher) Close() error {
	defer r.client.rest()
	return r.Publisher.Close()
}

func (b *builder) kinesisStreams(id string, specs []module.KinesisStream) []kinesisin.Stream {
	streams := make([]kinesisin.Stream, 0, len(specs))
	for _, s := range specs {
		st := kinesisin.Stream{
			Stream: cmp.Or(s.ARN, s.Name), ValueType: s.ValueType, Targets: functionTypes(s.Targets),
			KeyPointer: s.Key.Pointer, KeyPrefix: s.Key.Prefix,
			Format: kinesisFormats[s.Format], Dedupe: kinesisDedupes[s.Dedupe],
		}
		if routers := b.opt.Routers[id]; len(routers) > 0 {
			st.Targets, st.Router = nil, ingress.Chain(routers...)
		}
		streams = append(streams, st)
	}
	return streams
}

const (
	anonymous        = "stateway" // names the consumer of an application without a name
	defaultAggregate = 51_200     // bytes, as in the Kinesis Producer Library
)

func (b *builder) kinesisEgress(id string, spec *module.KinesisEgress) func(core.ApplicationID, int) (egress.Egress, error) {
	client := b.kinesisClient(spec.Region, spec.RegionID(), spec.Credentials, spec.Connections)
	opts := kinesisout.Options{
		Name: id, Stream: cmp.Or(spec.StreamARN, spec.Stream), Key: kinesisout.KeyRule(spec.PartitionKey),
		Envelope: kinesisout.Envelope(spec.Envelope), RecordBytes: spec.RecordBytes,
		Aggregate: spec.Aggregation, AggregateBytes: min(cmp.Or(spec.AggregateBytes, defaultAggregate), spec.RecordBytes),
		Linger: spec.Linger, RateLimit: spec.RateLimit, CallTimeout: spec.CallTimeout, Log: b.opt.Log.With("egress", id),
	}
	return func(app core.ApplicationID, lanes int) (egress.Egress, error) {
		api, _, err := client.open()
		if err != nil {
			return nil, err
		}
		o := opts
		o.Client, o.Application, o.Lanes, o.Records = api, app, lanes, spec.MaxOutstandingRecords
		if spec.Delivery == module.DeliveryAfterCommit {
			return b.kinesisPublisher(o, client)
		}
		return b.kinesisEmitter(o, client)
	}
}

func (b *builder) kinesisPublisher(o kinesisout.Options, client *kinesisClient) (egress.Egress, error) {
	p, err := kinesisout.OpenPublisher(o)
	if err != nil {
		return nil, err
	}
	b.writes(o.Name, p)
	return &restingPublisher{p, client}, nil
}

func (b *builder) kinesisEmitter(o kinesisout.Options, client *kinesisClient) (egress.Egress, error) {
	e, err := kinesisout.OpenEmitter(o)
	if err != nil {
		return nil, err
	}
	b.writes(o.Name, e)
	return &restingEmitter{e, client}, nil
}

// writes tells of an egress that counts by stream.
func (b *builder) writes(id string, w StreamWriter) {
	if b.opt.Writes != nil {
		b.opt.Writes(id, w)
	}
}
