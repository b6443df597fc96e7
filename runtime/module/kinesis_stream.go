package module

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// KinesisStream says what becomes of the records of one stream.
type KinesisStream struct {
	// Route holds the stream's name, also where a file gives its ARN. Its ValueType may be empty with FormatStateway: then the
	// envelope says the type.
	Route
	// ARN is the stream's, if the file gives that: for a stream of another account.
	ARN string `json:",omitzero"`
	// Key says where in a record the target's id is. The zero value is the partition key.
	Key KeyRule `json:",omitzero"`
	// Format is how the record's bytes are read. Default raw.
	Format RecordFormat
	// Dedupe says which ids tell a repeated record. Default none.
	Dedupe DedupeRule

	at Position // of the stream's name
}

// KeyRule takes an id out of a record's bytes. At most one of its fields is set.
type KeyRule struct {
	// Pointer is a JSON pointer (RFC 6901) to a text or a number.
	Pointer string `json:",omitzero"`
	// Prefix is a separator: the bytes before its first occurrence are the id.
	Prefix string `json:",omitzero"`
}

// RecordFormat is a form of records in a stream.
type RecordFormat string

// The forms of records.
const (
	FormatRaw         RecordFormat = "raw"         // the bytes are the value
	FormatCloudEvents RecordFormat = "cloudevents" // structured JSON; its data is the value
	FormatStateway    RecordFormat = "stateway"    // the envelope that a Kinesis egress writes
)

// DedupeRule says which ids of a stream's records are unique.
type DedupeRule string

// The rules for repeated records.
const (
	DedupeNone        DedupeRule = "none"
	DedupeCloudEvents DedupeRule = "cloudevents" // source and id of the event
	DedupeStateway    DedupeRule = "stateway"    // the id in the envelope
)

var (
	streamName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)
	streamARN  = regexp.MustCompile(`^arn:aws[a-z-]*:kinesis:([a-z0-9-]+):\d{12}:stream/([a-zA-Z0-9_.-]{1,128})$`)
)

const streamHint = "write the stream's name, or arn:aws:kinesis:REGION:ACCOUNT:stream/NAME"

// kinesisStreams reads streams. Of one stream given twice the last counts, as in StateFun.
func (l *loader) kinesisStreams(spec *object, region AWSRegion) []KinesisStream {
	var out []KinesisStream
	for _, item := range spec.list("streams", true) {
		s, n := l.kinesisStream(item)
		if n == nil {
			continue
		}
		l.checkRegion(n, s.ARN, region, out)
		same := func(o KinesisStream) bool { return o.Name == s.Name }
		i := slices.IndexFunc(out, same)
		switch {
		case i < 0:
			out = append(out, s)
		case out[i].ARN == s.ARN:
			l.warnf(n.at, "keep one of them", "stream %q is listed twice; the last entry counts", s.Name)
			out[i] = s
		default:
			l.errorf(n.at, "read them by two ingresses", "stream %q is listed twice, with different ARNs or once without", s.Name)
		}
	}
	slices.SortFunc(out, func(a, b KinesisStream) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (l *loader) kinesisStream(item *node) (KinesisStream, *node) {
	p := l.object(item, "an entry of streams")
	if p == nil {
		return KinesisStream{}, nil
	}
	s := KinesisStream{Format: FormatRaw, Dedupe: DedupeNone}
	text, n := p.requiredText("stream", "write stream: and its name")
	s.Name, s.ARN = l.streamOf(text, n)
	if n != nil {
		s.at = n.at
	}
	if v, at := p.scalar("format"); at != nil &&
		l.oneOf(at, "format", v, string(FormatRaw), string(FormatCloudEvents), string(FormatStateway)) {
		s.Format = RecordFormat(v)
	}
	if s.Format == FormatStateway {
		s.ValueType = p.text("valueType", "")
	} else {
		s.ValueType, _ = p.requiredText("valueType", "write valueType: namespace/type of the payload")
	}
	s.Route.Targets = p.targets()
	s.Key = l.keyRule(p)
	if v, at := p.scalar("dedupe"); at != nil &&
		l.oneOf(at, "dedupe", v, string(DedupeNone), string(DedupeCloudEvents), string(DedupeStateway)) {
		s.Dedupe = DedupeRule(v)
		if s.Dedupe != DedupeNone && string(s.Dedupe) != string(s.Format) {
			l.errorf(at.at, "write format: "+v, "dedupe: %s needs the same format, and the format is %s", s.Dedupe, s.Format)
		}
	}
	p.done()
	return s, n
}

// streamOf reads a stream's name or ARN; n is nil if there is none.
func (l *loader) streamOf(text string, n *node) (name, arn string) {
	if n == nil || streamName.MatchString(text) {
		return text, ""
	}
	if m := streamARN.FindStringSubmatch(text); m != nil {
		return m[2], text
	}
	l.errorf(n.at, streamHint, "stream %q is neither a stream's name nor its ARN", text)
	return text, ""
}

// arnRegion is the region in a stream's ARN; empty if there is no ARN.
func arnRegion(arn string) string {
	m := streamARN.FindStringSubmatch(arn)
	if m == nil {
		return ""
	}
	return m[1]
}

// RegionID is the region that the file names, by awsRegion or by a stream's ARN; empty if it names none.
func (k *KinesisIngress) RegionID() string {
	if k.Region.ID != "" {
		return k.Region.ID
	}
	for _, s := range k.Streams {
		if r := arnRegion(s.ARN); r != "" {
			return r
		}
	}
	return ""
}

// RegionID is the region that the file names, by awsRegion or by the stream's ARN; empty if it names none.
func (k *KinesisEgress) RegionID() string { return cmp.Or(k.Region.ID, arnRegion(k.StreamARN)) }

// checkRegion looks whether a stream can be reached where the others are.
func (l *loader) checkRegion(n *node, arn string, region AWSRegion, others []KinesisStream) {
	here := arnRegion(arn)
	if here == "" {
		return
	}
	if region.ID != "" && region.ID != here {
		l.errorf(n.at, "correct one of them", "the stream is in %s, and awsRegion says %s", here, region.ID)
		return
	}
	for _, o := range others {
		if there := arnRegion(o.ARN); there != "" && there != here {
			l.errorf(n.at, "read each region by an ingress of its own", "the stream is in %s, and stream %s is in %s", here, o.Name, there)
			return
		}
	}
}

// keyRule reads key: {pointer: /a/b} or key: {prefix: ":"}.
func (l *loader) keyRule(p *object) KeyRule {
	const hint = `write key: {pointer: /customer/id}, or key: {prefix: ":"}`
	n := p.value("key")
	if n == nil {
		return KeyRule{}
	}
	o := l.object(n, "key")
	if o == nil {
		return KeyRule{}
	}
	defer o.done()
	if o.has("pointer") == o.has("prefix") {
		o.known = append(o.known, "pointer", "prefix")
		l.errorf(n.at, hint, "key must be one rule")
		return KeyRule{}
	}
	pointer, at := o.scalar("pointer")
	if at == nil {
		prefix := ""
		if !o.has("pointer") {
			prefix, _ = o.requiredText("prefix", hint)
		}
		return KeyRule{Prefix: prefix}
	}
	o.value("prefix")
	if why := badPointer(pointer); why != "" {
		l.errorf(at.at, "write it as in RFC 6901, such as /customer/id or /items/0/id", "pointer %q %s", pointer, why)
	}
	return KeyRule{Pointer: pointer}
}

// badPointer says what is wrong with a JSON pointer; "" if nothing is.
func badPointer(pointer string) string {
	if pointer == "" {
		return "is the whole value, which is no id"
	}
	if pointer[0] != '/' {
		return "does not begin with a slash"
	}
	for rest := pointer; ; {
		_, after, found := strings.Cut(rest, "~")
		if !found {
			return ""
		}
		if !strings.HasPrefix(after, "0") && !strings.HasPrefix(after, "1") {
			return "has a ~ that is followed by neither 0 nor 1"
		}
		rest = after
	}
}
