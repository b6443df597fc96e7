package module

import "slices"

// checkEnvelopes warns of streams whose records would have no type. A record of the SDKs, which names its stream, carries none, in its envelope
// neither; a value that a function sends as it is does, and goes to its egress's own stream. So it can be told if an egress takes only the
// former, and the stream is no egress's own.
func (l *loader) checkEnvelopes() {
	var writers []*KinesisEgress
	for _, e := range l.app.Egresses {
		if k, ok := e.Spec.(*KinesisEgress); ok && k.Envelope == EnvelopeStateway {
			writers = append(writers, k)
		}
	}
	if !slices.ContainsFunc(writers, func(k *KinesisEgress) bool { return k.Stream == "" }) {
		return // who writes may be another application
	}
	for _, in := range l.app.Ingresses {
		k, ok := in.Spec.(*KinesisIngress)
		if !ok {
			continue
		}
		for _, s := range k.Streams {
			own := slices.ContainsFunc(writers, func(k *KinesisEgress) bool { return k.Stream == s.Name })
			if s.Format == FormatStateway && s.ValueType == "" && !own {
				l.warnf(s.at, "add valueType: namespace/type of the payload",
					"stream %q has no valueType, and a record that a function sends to it by name has no type in its envelope", s.Name)
			}
		}
	}
}
