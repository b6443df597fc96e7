package kinesis

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stateway/stateway/internal/envelope"
	"github.com/stateway/stateway/internal/kpl"
	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/runtime/egress"
)

// builtIn is where the typenames of the SDKs' own types begin.
const builtIn = "io.statefun.types/"

// noType is the CloudEvents type of a record that tells none.
const noType = "io.stateway/record"

// longestID is at least as long as any id of a record: application, shard, epoch, number and generation.
const longestID = 32 + 1 + 10 + 1 + 20 + 1 + 20 + 2 + 20

// longestTrace is as long as any trace context.
var longestTrace = strings.Repeat("0", trace.TextSize)

// renderer makes what Kinesis gets of a record. It is constant.
type renderer struct {
	opts   Options
	source string // of CloudEvents
	longID string // longestID bytes
}

func newRenderer(o Options) renderer {
	parts := strings.Split(o.Name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return renderer{
		opts:   o,
		source: "stateway:" + o.Application.String() + "/" + strings.Join(parts, "/"),
		longID: strings.Repeat("0", longestID),
	}
}

// Validate reports what Kinesis would never take.
func (r *renderer) Validate(typename string, value []byte) error {
	p, err := egress.Normalise(typename, value)
	if err != nil {
		return err
	}
	if _, err := r.streamOf(&p); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(p.Key); n > MaxKeyChars {
		return fmt.Errorf("a partition key of %d characters: Kinesis takes %d", n, MaxKeyChars)
	}
	if p.ExplicitHashKey != "" {
		if _, err := kpl.ParseHash(p.ExplicitHashKey); err != nil {
			return fmt.Errorf("explicit hash key %.50q: %w", p.ExplicitHashKey, err)
		}
	}
	if r.opts.Envelope != EnvelopeNone && (len(p.Typename) > envelope.MaxText || !utf8.ValidString(p.Typename)) {
		return fmt.Errorf("a typename of %d bytes, beginning %.50q: an envelope holds %d bytes of UTF-8", len(p.Typename), p.Typename, envelope.MaxText)
	}
	return r.validateSize(&p)
}

func (r *renderer) validateSize(p *egress.Payload) error {
	if size := r.largest(*p); size > r.opts.RecordBytes {
		return fmt.Errorf("a record of %d bytes with its key and id: the limit is %d (recordBytes, which a stream must allow, too)", size, r.opts.RecordBytes)
	}
	return nil
}

// largest is the size of a record with the longest id there is.
func (r *renderer) largest(p egress.Payload) int {
	id := r.longID
	if p.Key == "" {
		p.Key = id // the rule's keys are not longer
	}
	switch r.opts.Envelope {
	case EnvelopeStateway:
		return len(p.Key) + envelope.StatewayOverhead(len(id), len(p.Typename)) + len(p.Value)
	case EnvelopeCloudEvents:
		atMost := 6*(2*len(p.Key)+len(p.Typename)+len(p.Value)) + len(r.source) + len(id) + 512 // a byte escaped has six; the rest, also a trace context, has less than 512
		if atMost <= r.opts.RecordBytes {
			return atMost
		}
	case EnvelopeNone:
	}
	return len(p.Key) + len(r.wrap(&p, id, longestTrace))
}

// streamOf is the stream of a record.
func (r *renderer) streamOf(p *egress.Payload) (string, error) {
	switch {
	case p.Stream == "" && r.opts.Stream == "":
		return "", fmt.Errorf("a value of type %s names no stream, and the egress has no default: send a KinesisEgressRecord, or give the egress a stream", p.Typename)
	case p.Stream == "":
		return r.opts.Stream, nil
	case !validStream(p.Stream):
		return "", fmt.Errorf("stream %.200q: want a stream's name (1 to 128 of a-z A-Z 0-9 . _ -) or ARN", p.Stream)
	}
	return p.Stream, nil
}

// isARN reports whether a stream is named by its ARN.
func isARN(stream string) bool { return strings.HasPrefix(stream, "arn:") }

func validStream(stream string) bool {
	if isARN(stream) {
		_, name, ok := strings.Cut(stream, ":stream/")
		return ok && len(stream) <= 2048 && validStream(name) && !isARN(name)
	}
	if len(stream) < 1 || len(stream) > 128 {
		return false
	}
	return !strings.ContainsFunc(stream, outsideName)
}

func outsideName(c rune) bool {
	letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	return !letter && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-'
}

// render fills e from a record with this id. An error means that Validate let it through under another module.
func (r *renderer) render(rec *egress.Record, id string, e *entry) error {
	p, err := egress.Normalise(rec.Typename, rec.Value)
	if err != nil {
		return err
	}
	if e.stream, err = r.streamOf(&p); err != nil {
		return err
	}
	if p.Key == "" {
		p.Key = r.defaultKey(rec)
	}
	e.hash = kpl.HashOf(p.Key)
	if p.ExplicitHashKey != "" {
		if e.hash, err = kpl.ParseHash(p.ExplicitHashKey); err != nil {
			return err
		}
	}
	e.key, e.explicit = p.Key, p.ExplicitHashKey
	e.data = r.wrap(&p, id, rec.Trace.String())
	e.windowSize = egress.WindowSize(rec)
	if utf8.RuneCountInString(e.key) > MaxKeyChars || e.size() > r.opts.RecordBytes {
		return fmt.Errorf("partition key %.50q or its record of %d bytes is too long", e.key, e.size())
	}
	return nil
}

func (r *renderer) defaultKey(rec *egress.Record) string {
	if r.opts.Key == KeyRecord {
		return rec.StableID(r.opts.Application)
	}
	return strconv.FormatUint(uint64(rec.Shard), 10)
}

// wrap puts the payload into the envelope. It depends on nothing but its arguments.
func (r *renderer) wrap(p *egress.Payload, id, tr string) []byte {
	switch r.opts.Envelope {
	case EnvelopeStateway:
		size := envelope.StatewayOverhead(len(id), len(p.Typename)) + len(p.Value)
		return envelope.AppendStateway(make([]byte, 0, size), envelope.Stateway{ID: id, Typename: p.Typename, Payload: p.Value})
	case EnvelopeCloudEvents:
		e := envelope.CloudEvent{ID: id, Source: r.source, Type: p.Typename, PartitionKey: p.Key, Traceparent: tr, Payload: plain(p)}
		if e.Type == "" {
			e.Type = noType
		}
		return envelope.AppendCloudEvent(make([]byte, 0, len(e.Payload)+300), e)
	case EnvelopeNone:
	}
	return plain(p)
}

// plain is the payload as readers outside want it: the SDKs' own types as text, everything else as it is.
func plain(p *egress.Payload) []byte {
	if strings.HasPrefix(p.Typename, builtIn) {
		if text, ok := p.Text(); ok {
			return []byte(text)
		}
	}
	return p.Value
}
