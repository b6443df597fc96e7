package module

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// property is one entry of a list of properties.
type property struct {
	key   string
	value string
	at    Position
}

// useProperty takes a client property that means something here, and reports what is wrong with it.
type useProperty func(l *loader, p property)

// idleProperty says of properties with one beginning why they have no effect here, as a hint what to do instead.
type idleProperty struct{ begins, hint string }

// clientProperties reads clientConfigProperties: each is used, or named in a warning. A nil rename leaves names as they are.
func (l *loader) clientProperties(spec *object, uses map[string]useProperty, rename func(string) string, idle []idleProperty) map[string]string {
	var out map[string]string
	for _, p := range spec.propertyList("clientConfigProperties") {
		name := p.key
		if rename != nil {
			name = rename(p.key)
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = p.value
		if use, ok := uses[name]; ok {
			use(l, p)
			continue
		}
		l.idle(p, name, sortedKeys(uses), idle)
	}
	return out
}

// idle warns of a property without effect. The name is what StateFun makes of its key.
func (l *loader) idle(p property, name string, known []string, idle []idleProperty) {
	i := slices.IndexFunc(idle, func(i idleProperty) bool { return strings.HasPrefix(name, i.begins) })
	near := nearest(name, known)
	switch {
	case i >= 0 && (near == "" || idle[i].begins == name):
		l.warnf(p.at, idle[i].hint, "property %q has no effect", p.key)
	case near != "":
		l.warnf(p.at, "did you mean "+strconv.Quote(near)+"?", "property %q is not known and has no effect", p.key)
	default:
		l.warnf(p.at, "leave it out", "property %q is not known and has no effect", p.key)
	}
}

// flinkName gives a property the name that StateFun gives it.
func flinkName(key string) string {
	if key == "" || strings.HasPrefix(key, "flink.") || strings.HasPrefix(key, "aws.") {
		return key
	}
	first, size := utf8.DecodeRuneInString(key)
	return "aws.clientconfig." + string(unicode.ToLower(first)) + key[size:]
}

// properties are those of Flink's consumer and of its AWS client that mean something here.
func (k *KinesisIngress) properties(spec *object) map[string]useProperty {
	return map[string]useProperty{
		"flink.stream.recordpublisher":          insteadOf(spec, "mode", k.publisher),
		"flink.stream.efo.consumername":         insteadOf(spec, "consumerName", func(_ *loader, p property) { k.ConsumerName = p.value }),
		"flink.shard.getrecords.intervalmillis": setMillis(&k.PollEvery),
		"aws.clientconfig.maxConnections":       setNumber(&k.Connections.Max, 1, math.MaxInt32),
		"aws.clientconfig.requestTimeout":       setMillis(&k.CallTimeout),
		"aws.clientconfig.connectionTimeout":    setMillis(&k.Connections.Connect),
		"aws.clientconfig.socketTimeout":        setMillis(&k.Connections.Response),
	}
}

func (k *KinesisIngress) publisher(l *loader, p property) {
	if !l.oneOf(&node{at: p.at}, "property "+p.key, p.value, "POLLING", "EFO") {
		return
	}
	if p.value == "EFO" {
		k.Mode = KinesisFanOut
	}
}

const retriesHint = "leave it out: calls are repeated until they succeed, with growing pauses"

// flinkIdle are properties that mean something in StateFun only; the first that fits counts.
var flinkIdle = []idleProperty{
	{"flink.stream.initpos", "use startupPosition"},
	{"aws.region", "use awsRegion"},
	{"aws.endpoint", "use awsRegion"},
	{"aws.credentials", "use awsCredentials"},
	{"flink.stream.efo.consumerarn", "leave it out: the consumer is looked up by its name"},
	{"flink.stream.efo.registration", "leave it out: the consumer is looked up by its name, and registered if it is not there"},
	{"flink.stream.efo.", "use maxConnections and socketTimeout: one HTTP client makes all calls"},
	{"flink.shard.getrecords.maxrecordcount", "leave it out: reading adapts by itself"},
	{"flink.shard.adaptivereads", "leave it out: reading adapts by itself"},
	{"flink.shard.discovery.", "leave it out: new shards are found when their parents end"},
	{"flink.shard.idle.", "leave it out: there are no watermarks"},
	{"flink.watermark.", "leave it out: there are no watermarks"},
	{"flink.shard.getrecords.maxretries", retriesHint},
	{"flink.shard.getrecords.backoff.", retriesHint},
	{"flink.shard.getiterator.", retriesHint},
	{"flink.shard.subscribetoshard.", retriesHint},
	{"flink.list.shards.", retriesHint},
	{"flink.stream.describe", retriesHint},
	{"flink.stream.registerstreamconsumer.", retriesHint},
	{"flink.stream.deregisterstreamconsumer.", retriesHint},
	{"aws.clientconfig.", "leave it out: the HTTP client has no such setting"},
}

// properties are those of the Kinesis Producer Library that mean something here.
func (k *KinesisEgress) properties(spec *object) map[string]useProperty {
	return map[string]useProperty{
		"AggregationEnabled":    insteadOf(spec, "aggregation", setBool(&k.Aggregation)),
		"RecordMaxBufferedTime": setMillis(&k.Linger),
		"MaxConnections":        setNumber(&k.Connections.Max, 1, math.MaxInt32),
		"ConnectTimeout":        setMillis(&k.Connections.Connect),
		"RequestTimeout":        setMillis(&k.CallTimeout),
		"AggregationMaxSize":    setNumber(&k.AggregateBytes, minRecord, defaultRecord),
		"RateLimit":             setNumber(&k.RateLimit, 1, math.MaxInt32),
	}
}

// kplIdle are properties that mean something to the Kinesis Producer Library only.
var kplIdle = []idleProperty{
	{"Region", "use awsRegion"},
	{"KinesisEndpoint", "use awsRegion"},
	{"KinesisPort", "use awsRegion"},
	{"CredentialsRefreshDelay", "leave it out: credentials are renewed before they end"},
	{"AggregationMaxCount", "leave it out: aggregates are filled up to the limits of Kinesis"},
	{"Collection", "leave it out: calls are filled up to the limits of Kinesis"},
	{"FailIfThrottled", "leave it out: records are kept until they are written"},
	{"RecordTtl", "leave it out: records are kept until they are written"},
	{"Metrics", "leave it out: metrics are served at /metrics"},
	{"Cloudwatch", "leave it out: metrics are served at /metrics"},
	{"VerifyCertificate", "leave it out: certificates are always checked; AWS_CA_BUNDLE names others to trust"},
	{"Thread", "leave it out: there is no native process"},
	{"NativeExecutable", "leave it out: there is no native process"},
	{"TempDirectory", "leave it out: there is no native process"},
	{"EnableCoreDumps", "leave it out: there is no native process"},
	{"LogLevel", "leave it out: there is no native process"},
	{"MinConnections", "leave it out: connections are opened as they are needed"},
	{"Proxy", "set HTTPS_PROXY"},
}

// insteadOf uses a property unless the key of ours with the same meaning is given.
func insteadOf(spec *object, key string, use useProperty) useProperty {
	return func(l *loader, p property) {
		if spec.has(key) {
			l.warnf(p.at, "keep one of them", "property %q has no effect: %s is given", p.key, key)
			return
		}
		use(l, p)
	}
}

func setNumber(into *int, low, high int64) useProperty {
	return func(l *loader, p property) {
		v, hint := parseInteger(p.value)
		if hint == "" && (v < low || v > high) {
			hint = "write a number " + interval(low, high)
		}
		if hint != "" {
			l.errorf(p.at, hint, "property %s is %q, which is not a number it can have", p.key, p.value)
			return
		}
		*into = int(v)
	}
}

const maxMillis = math.MaxInt32

func setMillis(into *time.Duration) useProperty {
	return func(l *loader, p property) {
		ms := int(into.Milliseconds())
		setNumber(&ms, 0, maxMillis)(l, p)
		*into = time.Duration(ms) * time.Millisecond
	}
}

func setBool(into *bool) useProperty {
	return func(l *loader, p property) {
		v := strings.ToLower(p.value)
		if l.oneOf(&node{at: p.at}, "property "+p.key, v, "true", "false") {
			*into = v == "true"
		}
	}
}
