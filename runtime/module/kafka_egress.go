package module

import (
	"math"
	"strconv"
	"time"
)

// KafkaEgress writes to topics of a Kafka cluster; a record names its topic.
type KafkaEgress struct {
	// Address is host:port, several with commas.
	Address string
	// Semantic says what a failure may do to records. Default at-least-once.
	Semantic KafkaSemantic
	// TransactionTimeout is how long the cluster keeps a transaction open; above zero with KafkaExactlyOnce, else 0.
	TransactionTimeout time.Duration `json:",omitzero"`
	// Properties are producer properties as given.
	Properties map[string]string `json:",omitzero"`
}

// KafkaSemantic is a delivery guarantee.
type KafkaSemantic string

// The delivery guarantees of a Kafka egress.
const (
	KafkaAtLeastOnce KafkaSemantic = "at-least-once"
	KafkaExactlyOnce KafkaSemantic = "exactly-once"
	KafkaNone        KafkaSemantic = "none"
)

func (*KafkaEgress) egress() {}

func (l *loader) kafkaEgress(kind string, spec *object) {
	k := &KafkaEgress{Semantic: KafkaAtLeastOnce}
	id, at := spec.id()
	k.Address = l.kafkaAddress(spec, "")
	k.Properties = spec.properties("properties")
	l.semantic(spec, k)
	l.addEgress(kind, id, at, k)
}

func (l *loader) semantic(spec *object, k *KafkaEgress) {
	o, typ, ok := spec.variant("deliverySemantic", "")
	if !ok {
		return
	}
	kind, n := l.scalar(typ, "deliverySemantic.type")
	if n == nil || !l.oneOf(n, "deliverySemantic.type", kind,
		string(KafkaAtLeastOnce), string(KafkaExactlyOnce), string(KafkaNone)) {
		return
	}
	k.Semantic = KafkaSemantic(kind)
	if k.Semantic == KafkaExactlyOnce {
		k.TransactionTimeout = l.transactionTimeout(o)
	} else {
		for _, key := range []string{"transactionTimeout", "transactionTimeoutMillis"} {
			l.without(o, key, "leave it out, or use type: exactly-once", "there are no transactions with "+kind)
		}
	}
	o.done()
}

// transactionTimeout reads the older key in milliseconds, which wins, or the newer one.
func (l *loader) transactionTimeout(o *object) time.Duration {
	const hint = "write transactionTimeout: 15min"
	const newer, older = "transactionTimeout", "transactionTimeoutMillis"
	o.known = append(o.known, newer, older)
	if !o.has(older) {
		if !o.has(newer) {
			l.errorf(o.node.at, hint, "deliverySemantic exactly-once needs the key %q", newer)
			return 0
		}
		return o.positive(newer, 0)
	}
	if o.has(newer) {
		l.warnf(o.keyAt(newer), "keep one of them", "%s has no effect: %s wins", newer, older)
	}
	s, n := o.scalar(older)
	if n == nil {
		return 0
	}
	ms, wrong := parseInteger(s)
	if wrong != "" {
		if _, err := ParseDuration(s); err == nil {
			wrong = "write transactionTimeout: " + strconv.Quote(s)
		}
		l.errorf(n.at, wrong, "%s is %q, which is not a number of milliseconds", older, s)
		return 0
	}
	if ms <= 0 || ms > math.MaxInt32 {
		l.errorf(n.at, hint, "%s is %d, and must be from 1 to %d", older, ms, math.MaxInt32)
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}
