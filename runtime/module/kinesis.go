package module

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// KinesisIngress reads Kinesis data streams.
type KinesisIngress struct {
	Region      AWSRegion
	Credentials AWSCredentials
	// Streams are sorted by name.
	Streams []Route
	// Startup is where shards begin that no checkpoint knows. Default latest.
	Startup StartupPosition
	// Client are properties as StateFun hands them to Flink: keys that begin with flink. or aws. as given, others
	// below aws.clientconfig.
	Client map[string]string `json:",omitzero"`
}

// KinesisEgress writes to Kinesis data streams; a record names its stream.
type KinesisEgress struct {
	Region      AWSRegion
	Credentials AWSCredentials
	// MaxOutstandingRecords is how many records may wait for an answer; at least 1, default 1000.
	MaxOutstandingRecords int
	// Client are properties of the Kinesis Producer Library as given.
	Client map[string]string `json:",omitzero"`
}

// Targets lists the targets of all streams.
func (k *KinesisIngress) Targets() []TypeName { return allTargets(k.Streams) }

func (*KinesisEgress) egress() {}

const defaultOutstanding = 1000

func (l *loader) kinesisIngress(kind string, spec *object) {
	k := &KinesisIngress{}
	id, at := spec.id()
	k.Region, k.Credentials = l.region(spec), l.credentials(spec)
	k.Startup = l.startup(spec, StartLatest, StartEarliest, StartDate)
	k.Streams = sortedRoutes(spec.routes("streams", "stream"))
	k.Client = l.clientConfig(spec)
	l.addIngress(kind, id, at, k)
}

func (l *loader) kinesisEgress(kind string, spec *object) {
	k := &KinesisEgress{}
	id, at := spec.id()
	k.Region, k.Credentials = l.region(spec), l.credentials(spec)
	k.MaxOutstandingRecords = int(spec.integer("maxOutstandingRecords", defaultOutstanding, 1, math.MaxInt32))
	k.Client = spec.properties("clientConfigProperties")
	l.addEgress(kind, id, at, k)
}

// clientConfig gives the properties the names that StateFun gives them. Region and credentials in them lose
// against the keys of their own, which always have a value.
func (l *loader) clientConfig(spec *object) map[string]string {
	var out map[string]string
	for key, value := range spec.properties("clientConfigProperties") {
		if key == "aws.region" || strings.HasPrefix(key, "aws.credentials.provider") {
			l.warnf(spec.keyAt("clientConfigProperties"), "use awsRegion and awsCredentials", "property %q has no effect", key)
			continue
		}
		if !strings.HasPrefix(key, "flink.") && !strings.HasPrefix(key, "aws.") {
			first, size := utf8.DecodeRuneInString(key)
			key = "aws.clientconfig." + string(unicode.ToLower(first)) + key[size:]
		}
		if out == nil {
			out = map[string]string{}
		}
		out[key] = value
	}
	return out
}
