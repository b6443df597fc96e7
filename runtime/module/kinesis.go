package module

import (
	"regexp"
	"time"
)

// KinesisIngress reads Kinesis data streams.
type KinesisIngress struct {
	Region      AWSRegion
	Credentials AWSCredentials
	// Streams are sorted by name.
	Streams []KinesisStream
	// Startup is where shards begin that no checkpoint knows. Default latest.
	Startup StartupPosition
	// Client are properties as StateFun hands them to Flink: keys that begin with flink. or aws. as given, others
	// below aws.clientconfig. Those that mean something here are in the fields that follow.
	Client map[string]string `json:",omitzero"`

	// Mode is how records are fetched. Default polling.
	Mode KinesisMode
	// ConsumerName is the name of the registered consumer with fan-out; empty means the application's name.
	ConsumerName string `json:",omitzero"`
	// OnTruncation says what becomes of a shard whose next records are gone. Default fail.
	OnTruncation OnTruncation
	// OnInvalid says what becomes of a record that cannot be routed. Default deadLetter if DeadLetter is given, else hold.
	OnInvalid OnInvalid
	// DeadLetter is the egress for such records; given with InvalidDeadLetter only.
	DeadLetter TypeName `json:",omitzero"`

	// PollEvery is the least time between two calls for a shard; 0 means what the quota allows. A Client property.
	PollEvery time.Duration `json:"-"`
	// CallTimeout bounds a call; 0 means the driver's choice. A Client property.
	CallTimeout time.Duration `json:"-"`
	// Connections are limits of the HTTP client. Client properties.
	Connections AWSConnections `json:"-"`
}

// AWSConnections are limits of connections to AWS; zeros mean the client's defaults.
type AWSConnections struct {
	Max      int           // connections to a host
	Connect  time.Duration // of an attempt to connect
	Response time.Duration // until the first byte of an answer
}

// KinesisMode is a way to fetch records.
type KinesisMode string

// The modes of a Kinesis ingress.
const (
	KinesisPolling KinesisMode = "polling" // GetRecords: shares a shard's quota with other consumers
	KinesisFanOut  KinesisMode = "fanOut"  // SubscribeToShard: a quota and a price of its own
	KinesisAuto    KinesisMode = "auto"    // fan-out where it can be had, else polling
)

// OnTruncation is the answer to lost history.
type OnTruncation string

// The answers to a position that is older than what a stream keeps.
const (
	TruncationFail     OnTruncation = "fail"     // the shard waits for an operator
	TruncationEarliest OnTruncation = "earliest" // it goes on with the oldest record there is
)

// OnInvalid is the answer to a record that cannot be made a message.
type OnInvalid string

// The answers to bad records.
const (
	InvalidHold       OnInvalid = "hold" // the shard waits for an operator
	InvalidSkip       OnInvalid = "skip"
	InvalidDeadLetter OnInvalid = "deadLetter"
)

// Targets lists the targets of all streams.
func (k *KinesisIngress) Targets() []TypeName {
	var out []TypeName
	for _, s := range k.Streams {
		out = append(out, s.Targets...)
	}
	return out
}

var consumerName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)

func (l *loader) kinesisIngress(kind string, spec *object) {
	k := &KinesisIngress{Mode: KinesisPolling, OnTruncation: TruncationFail, OnInvalid: InvalidHold}
	id, at := spec.id()
	k.Region, k.Credentials = l.region(spec), l.credentials(spec)
	k.Startup = l.startup(spec, StartLatest, StartEarliest, StartDate)
	k.Streams = l.kinesisStreams(spec, k.Region)
	if s, n := spec.scalar("mode"); n != nil &&
		l.oneOf(n, "mode", s, string(KinesisPolling), string(KinesisFanOut), string(KinesisAuto)) {
		k.Mode = KinesisMode(s)
	}
	k.ConsumerName = spec.text("consumerName", "")
	k.Client = l.clientProperties(spec, k.properties(spec), flinkName, flinkIdle)
	l.checkConsumer(spec, k)
	if s, n := spec.scalar("onTruncation"); n != nil &&
		l.oneOf(n, "onTruncation", s, string(TruncationFail), string(TruncationEarliest)) {
		k.OnTruncation = OnTruncation(s)
	}
	l.onInvalid(spec, k)
	l.addIngress(kind, id, at, k)
}

// checkConsumer looks at the name of the consumer, which the key or a property gave.
func (l *loader) checkConsumer(spec *object, k *KinesisIngress) {
	if k.ConsumerName == "" {
		return
	}
	at := spec.keyAt("clientConfigProperties")
	if spec.has("consumerName") {
		at = spec.keyAt("consumerName")
	}
	if !consumerName.MatchString(k.ConsumerName) {
		l.errorf(at, "write up to 128 letters, digits and _.-", "consumerName %q cannot be the name of a consumer", k.ConsumerName)
	}
	if mode := spec.node.get("mode"); spec.has("consumerName") && k.Mode == KinesisPolling && (mode == nil || mode.text == string(KinesisPolling)) {
		l.warnf(at, "add mode: fanOut, or leave it out", "consumerName has no effect while mode is polling")
	}
}

// onInvalid reads onInvalid and deadLetter.
func (l *loader) onInvalid(spec *object, k *KinesisIngress) {
	const hint = "write deadLetter: {egress: namespace/name}"
	given := false
	if s, n := spec.scalar("onInvalid"); n != nil &&
		l.oneOf(n, "onInvalid", s, string(InvalidHold), string(InvalidSkip), string(InvalidDeadLetter)) {
		k.OnInvalid, given = OnInvalid(s), true
	}
	o := spec.sub("deadLetter")
	if o == nil {
		if k.OnInvalid == InvalidDeadLetter && !spec.has("deadLetter") {
			l.errorf(spec.keyAt("onInvalid"), hint, "onInvalid: deadLetter needs an egress to send to")
		}
		return
	}
	defer o.done()
	if !given {
		k.OnInvalid = InvalidDeadLetter
	}
	n := o.required("egress", hint)
	if n == nil {
		return
	}
	name, at := l.name(n, "deadLetter.egress")
	if at == nil {
		return
	}
	l.letters = append(l.letters, reference{name, at.at})
	if k.OnInvalid != InvalidDeadLetter {
		l.warnf(spec.keyAt("deadLetter"), "write onInvalid: deadLetter, or leave deadLetter out",
			"deadLetter has no effect while onInvalid is %s", k.OnInvalid)
		return
	}
	k.DeadLetter = name
	l.streamLetters = append(l.streamLetters, streamLetter{k, at.at})
}
