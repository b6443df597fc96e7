package module

// streamLetter is a Kinesis ingress that sends bad records to an egress.
type streamLetter struct {
	ingress *KinesisIngress
	at      Position // of the egress's name
}

// checkLoops finds dead letters that come back: an egress that writes to a stream whose bad records go there, maybe over another
// stream. One bad record would travel for ever.
func (l *loader) checkLoops() {
	for _, first := range l.streamLetters {
		for at, seen := first, map[*KinesisIngress]bool{}; !seen[at.ingress]; {
			seen[at.ingress] = true
			egress, stream := l.letterbox(at)
			if egress == nil {
				break
			}
			if stream.readBy(first.ingress) {
				l.errorf(first.at, "let them go to a stream that is not read here; if the streams are in different places, say so in both by awsRegion",
					"dead letters come back: egress %s writes to stream %s", first.ingress.DeadLetter, stream.name)
				break
			}
			for _, next := range l.streamLetters {
				if stream.readBy(next.ingress) {
					at = next
					break
				}
			}
		}
	}
}

// letterbox is where the dead letters of an ingress go, if that is a stream.
func (l *loader) letterbox(s streamLetter) (*KinesisEgress, stream) {
	e, ok := l.app.EgressFor(s.ingress.DeadLetter)
	if !ok {
		return nil, stream{}
	}
	k, ok := e.Spec.(*KinesisEgress)
	if !ok || k.Stream == "" {
		return nil, stream{}
	}
	return k, stream{k.Stream, k.StreamARN, k.Region}
}

// stream is a stream as one component names it.
type stream struct {
	name, arn string
	region    AWSRegion
}

// readBy reports whether an ingress reads the stream, as far as the file tells: unless one of region, endpoint and ARN differs.
func (s stream) readBy(k *KinesisIngress) bool {
	for _, o := range k.Streams {
		if o.Name == s.name && !differ(o.ARN, s.arn) && !differ(k.Region.ID, s.region.ID) && k.Region.Endpoint == s.region.Endpoint {
			return true
		}
	}
	return false
}

// differ reports whether two texts are given and are not the same.
func differ(a, b string) bool { return a != "" && b != "" && a != b }

// checkConsumers finds two ingresses that would take the same registered consumer of a stream from each other.
func (l *loader) checkConsumers() {
	for i, in := range l.app.Ingresses {
		k, ok := in.Spec.(*KinesisIngress)
		if !ok || k.Mode == KinesisPolling {
			continue
		}
		for _, s := range k.Streams {
			if first, twice := sameConsumer(l.app.Ingresses[:i], k, s); twice {
				l.errorf(in.At, "give one of them a consumerName of its own",
					"ingresses %s and %s read stream %s as the same consumer, and one takes it from the other", first, in.ID, s.Name)
				break
			}
		}
	}
}

// sameConsumer finds an ingress before k that reads one of its streams under its consumer's name.
func sameConsumer(before []Ingress, k *KinesisIngress, s KinesisStream) (TypeName, bool) {
	for _, in := range before {
		first, ok := in.Spec.(*KinesisIngress)
		if ok && first.Mode != KinesisPolling && first.ConsumerName == k.ConsumerName && (stream{s.Name, s.ARN, k.Region}).readBy(first) {
			return in.ID, true
		}
	}
	return TypeName{}, false
}
