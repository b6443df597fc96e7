package module

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// KafkaIngress reads topics of a Kafka cluster.
type KafkaIngress struct {
	// Address is host:port, several with commas.
	Address string
	// ConsumerGroupID is where StateFun commits offsets, and where StartGroupOffsets looks.
	ConsumerGroupID string
	// Topics are sorted by name.
	Topics []Route
	// AutoOffsetReset is "earliest" or "latest": where to go when an offset is no longer there. Default latest.
	AutoOffsetReset string
	// Startup is where partitions begin that no checkpoint knows. Default latest.
	Startup StartupPosition
	// PartitionDiscovery is the pause between looks for new partitions; 0, the default, means never.
	PartitionDiscovery time.Duration `json:",omitzero"`
	// Properties are consumer properties as given, without those that the fields above hold.
	Properties map[string]string `json:",omitzero"`
}

// StartupPosition is where reading begins.
type StartupPosition struct {
	Kind StartupKind
	// Offsets are given with StartSpecificOffsets, sorted by topic and partition.
	Offsets []PartitionOffset `json:",omitzero"`
	// Date is given with StartDate.
	Date time.Time `json:",omitzero"`
}

// StartupKind names a place to begin reading.
type StartupKind string

// The kinds of startup positions. Kinesis has earliest, latest and date.
const (
	StartGroupOffsets    StartupKind = "group-offsets"
	StartEarliest        StartupKind = "earliest"
	StartLatest          StartupKind = "latest"
	StartSpecificOffsets StartupKind = "specific-offsets"
	StartDate            StartupKind = "date"
)

// PartitionOffset is a place in a partition of a topic.
type PartitionOffset struct {
	Topic     string
	Partition int32
	Offset    int64
}

// Targets lists the targets of all topics.
func (k *KafkaIngress) Targets() []TypeName { return allTargets(k.Topics) }

const discoveryProperty = "flink.partition-discovery.interval-millis"

func (l *loader) kafkaIngress(kind string, spec *object) {
	k := &KafkaIngress{Startup: StartupPosition{Kind: StartLatest}}
	id, at := spec.id()
	k.Properties = spec.properties("properties")
	k.Address = l.kafkaAddress(spec, k.take("bootstrap.servers"))
	k.ConsumerGroupID = l.consumerGroup(spec, k.take("group.id"))
	k.AutoOffsetReset = l.offsetReset(spec, k.take("auto.offset.reset"))
	k.Startup = l.startup(spec, StartGroupOffsets, StartEarliest, StartLatest, StartSpecificOffsets, StartDate)
	k.PartitionDiscovery = l.discovery(spec, k.take(discoveryProperty))
	if len(k.Properties) == 0 {
		k.Properties = nil // so that it makes no difference where the taken ones stood
	}
	k.Topics = sortedRoutes(spec.routes("topics", "topic"))
	l.addIngress(kind, id, at, k)
}

// take removes a property that a field of its own holds.
func (k *KafkaIngress) take(property string) string {
	v := k.Properties[property]
	delete(k.Properties, property)
	return v
}

func sortedRoutes(routes []Route) []Route {
	slices.SortFunc(routes, func(a, b Route) int { return strings.Compare(a.Name, b.Name) })
	return routes
}

// kafkaAddress reads address, or takes the property that stands for it.
func (l *loader) kafkaAddress(spec *object, property string) string {
	const hint = "write address: host:port, several with commas"
	address, n := spec.scalar("address")
	if n == nil && spec.has("address") {
		return "" // reported
	}
	at := spec.node.at
	if n != nil {
		at = n.at
	} else if address = property; address == "" {
		l.errorf(at, hint, "%s needs the key %q", spec.what, "address")
		return ""
	}
	for part := range strings.SplitSeq(address, ",") {
		i := strings.LastIndexByte(part, ':')
		if i <= 0 {
			l.errorf(at, hint, "address %q is not host:port", strings.TrimSpace(part))
			return ""
		}
		port, err := strconv.ParseUint(strings.TrimSpace(part[i+1:]), 10, 16)
		if err != nil || port == 0 {
			l.errorf(at, hint, "address %q has no port from 1 to 65535", strings.TrimSpace(part))
			return ""
		}
	}
	return address
}

// consumerGroup reads consumerGroupId, or takes the property that stands for it.
func (l *loader) consumerGroup(spec *object, property string) string {
	if property != "" && !spec.has("consumerGroupId") {
		spec.value("consumerGroupId")
		return property
	}
	group, _ := spec.requiredText("consumerGroupId", "write consumerGroupId: and a name of your choice")
	return group
}

func (l *loader) offsetReset(spec *object, property string) string {
	s, n := spec.scalar("autoOffsetResetPosition")
	if n == nil {
		if s = strings.ToLower(property); s == "earliest" || s == "none" {
			return s
		}
		return "latest"
	}
	s = strings.ToLower(s)
	if !l.oneOf(n, "autoOffsetResetPosition", s, "earliest", "latest") {
		return "latest"
	}
	return s
}

func (l *loader) discovery(spec *object, property string) time.Duration {
	if property == "" {
		return 0
	}
	ms, err := strconv.ParseInt(property, 10, 64)
	if err != nil || ms > math.MaxInt64/int64(time.Millisecond) {
		l.errorf(spec.keyAt("properties"), "write milliseconds as a whole number", "property %s is %q", discoveryProperty, property)
		return 0
	}
	return time.Duration(max(0, ms)) * time.Millisecond
}

// startup reads startupPosition, of one of the allowed kinds. Without it reading begins at the latest record.
func (l *loader) startup(spec *object, allowed ...StartupKind) StartupPosition {
	latest := StartupPosition{Kind: StartLatest}
	o, typ, ok := spec.variant("startupPosition", "")
	if !ok {
		return latest
	}
	kind, n := l.scalar(typ, "startupPosition.type")
	names := make([]string, len(allowed))
	for i, k := range allowed {
		names[i] = string(k)
	}
	if n == nil || !l.oneOf(n, "startupPosition.type", kind, names...) {
		return latest
	}
	pos := StartupPosition{Kind: StartupKind(kind)}
	switch pos.Kind {
	case StartSpecificOffsets:
		pos.Offsets = l.offsets(o)
	case StartDate:
		pos.Date = l.startDate(o)
	default:
		for _, key := range []string{"offsets", "date"} {
			l.without(o, key, "leave it out, or change the type", "it does not belong to type "+kind)
		}
	}
	o.done()
	return pos
}

// offsets reads - topic/partition: offset.
func (l *loader) offsets(o *object) []PartitionOffset {
	const hint = "write each as - topic/0: 1234"
	var out []PartitionOffset
	seen := map[string]bool{}
	for _, p := range o.pairs("offsets", true) {
		i := strings.LastIndexByte(p.key, '/')
		partition, err := strconv.ParseUint(p.key[i+1:], 10, 31)
		if i <= 0 || err != nil {
			l.errorf(p.keyAt, hint, "offsets: %q is not topic/partition", p.key)
			continue
		}
		if seen[p.key] {
			l.errorf(p.keyAt, "keep one of them", "offsets: %s is given twice", p.key)
			continue
		}
		seen[p.key] = true
		s, n := l.scalar(p.value, "offset of "+p.key)
		if n == nil {
			continue
		}
		offset, wrong := parseInteger(s)
		if wrong != "" || offset < 0 {
			l.errorf(n.at, hint, "offset of %s is %q, which is not a number from 0", p.key, s)
			continue
		}
		out = append(out, PartitionOffset{p.key[:i], int32(partition), offset}) //nolint:gosec // 31 bits
	}
	slices.SortFunc(out, func(a, b PartitionOffset) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}
		return int(a.Partition) - int(b.Partition)
	})
	return out
}

// dateLayout is yyyy-MM-dd HH:mm:ss.SSS Z.
const dateLayout = "2006-01-02 15:04:05.000 -0700"

func (l *loader) startDate(o *object) time.Time {
	const hint = `write it as "2020-02-01 04:15:00.000 +0000", with milliseconds and offset`
	s, n := o.requiredText("date", hint)
	if n == nil {
		return time.Time{}
	}
	t, err := time.Parse(dateLayout, s)
	if err != nil || len(s) != len(dateLayout) { // Go would take one digit for the hour
		l.errorf(n.at, hint, "date %q is not of the form yyyy-MM-dd HH:mm:ss.SSS Z", s)
		return time.Time{}
	}
	return t.UTC()
}
