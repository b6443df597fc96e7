package module

import "math"

// GeneratorIngress makes records inside the node: the same ones for the same seed, at any later time. A partition's
// position is its sequence number.
type GeneratorIngress struct {
	// Partitions is from 1 to 4096; default 1.
	Partitions int
	// Seed decides the ids; default 0.
	Seed int64 `json:",omitzero"`
	// IDPrefix begins every id; default empty.
	IDPrefix string `json:",omitzero"`
	// IDCount is how many different ids there are, at least 1. They are drawn uniformly.
	IDCount int64
	// Rate is in records per second over all partitions, from 0.001 to 1e9; 0 means as fast as they are admitted.
	Rate float64 `json:",omitzero"`
	// Count is the number of records over all partitions; 0 means endless.
	Count int64 `json:",omitzero"`
	// ValueType is the typename of the value. By default io.statefun.types/long for a sequence or a timestamp, and
	// io.statefun.types/string for a text; bytes have no default.
	ValueType string
	// Value says what the values are.
	Value GeneratorValue
	// To lists the function types that get each record, in this order. Empty only in embedded programs.
	To []TypeName `json:",omitzero"`
}

// GeneratorValue is what a generator's records hold.
type GeneratorValue struct {
	Kind  GeneratorValueKind
	Bytes int    `json:",omitzero"` // length of GenerateBytes, up to MaxGeneratedBytes
	Text  string `json:",omitzero"` // content of GenerateText
}

// GeneratorValueKind names the content of a generated value.
type GeneratorValueKind string

// The kinds of generated values.
const (
	GenerateSequence  GeneratorValueKind = "sequence"  // the record's sequence number, a long
	GenerateTimestamp GeneratorValueKind = "timestamp" // Unix nanoseconds of its making, a long
	GenerateBytes     GeneratorValueKind = "bytes"     // so many bytes
	GenerateText      GeneratorValueKind = "text"      // always the same text
)

// MaxGeneratedBytes is the longest value a generator makes.
const MaxGeneratedBytes = 16 << 20

const (
	maxGeneratorPartitions = 4096
	minRate                = 0.001
	maxRate                = 1e9
	typeLong               = "io.statefun.types/long"
	typeString             = "io.statefun.types/string"
)

// Targets lists the function types that get each record.
func (g *GeneratorIngress) Targets() []TypeName { return g.To }

func (l *loader) generator(kind string, spec *object) {
	g := &GeneratorIngress{}
	id, at := spec.id()
	g.Partitions = int(spec.integer("partitions", 1, 1, maxGeneratorPartitions))
	g.Seed = spec.integer("seed", 0, math.MinInt64, math.MaxInt64)
	l.generatorIDs(spec, g)
	g.Rate = spec.number("rate", 0, minRate, maxRate)
	g.Count = spec.integer("count", 0, 1, math.MaxInt64)
	g.Value = l.generatorValue(spec)
	g.ValueType = l.generatorType(spec, g.Value.Kind)
	g.To = spec.targets()
	l.addIngress(kind, id, at, g)
}

func (l *loader) generatorIDs(spec *object, g *GeneratorIngress) {
	const hint = "write ids: {prefix: user-, count: 1000}"
	n := spec.required("ids", hint)
	if n == nil {
		return
	}
	o := l.object(n, "ids")
	if o == nil {
		return
	}
	g.IDPrefix = o.text("prefix", "")
	if o.required("count", hint) != nil {
		g.IDCount = o.integer("count", 1, 1, math.MaxInt64)
	}
	o.done()
}

// generatorValue reads sequence, timestamp, {bytes: N} or {text: …}.
func (l *loader) generatorValue(spec *object) GeneratorValue {
	fallback := GeneratorValue{Kind: GenerateSequence}
	const hint = "write sequence, timestamp, {bytes: 100} or {text: hello}"
	n := spec.value("value")
	if n == nil {
		return fallback
	}
	if n.kind == scalarNode {
		if l.oneOf(n, "value", n.text, string(GenerateSequence), string(GenerateTimestamp)) {
			return GeneratorValue{Kind: GeneratorValueKind(n.text)}
		}
		return fallback
	}
	o := l.object(n, "value")
	if o == nil {
		return fallback
	}
	defer o.done()
	hasBytes, hasText := o.has("bytes"), o.has("text")
	if hasBytes == hasText {
		o.known = append(o.known, "bytes", "text")
		l.errorf(n.at, hint, "value must be of one kind")
		return fallback
	}
	if hasBytes {
		o.known = append(o.known, "text")
		return GeneratorValue{Kind: GenerateBytes, Bytes: int(o.integer("bytes", 0, 0, MaxGeneratedBytes))}
	}
	o.known = append(o.known, "bytes")
	return GeneratorValue{Kind: GenerateText, Text: o.text("text", "")}
}

func (l *loader) generatorType(spec *object, kind GeneratorValueKind) string {
	switch kind {
	case GenerateSequence, GenerateTimestamp:
		return spec.text("valueType", typeLong)
	case GenerateText:
		return spec.text("valueType", typeString)
	default:
		s, _ := spec.requiredText("valueType", "write valueType: namespace/type; bytes have no type of their own")
		return s
	}
}
