package module

import "slices"

// PlaygroundIngress takes records over HTTP at /namespace/name/id.
type PlaygroundIngress struct {
	// Port to listen on, 0 to 65535; 0 takes a free one.
	Port int
}

// PlaygroundEgress keeps records per topic and hands them out over HTTP at /topic.
type PlaygroundEgress struct {
	// Port to listen on, 0 to 65535; 0 takes a free one.
	Port int
	// Topics that records may be sent to, sorted.
	Topics []string
}

// Targets is empty: a request names its target itself.
func (*PlaygroundIngress) Targets() []TypeName { return nil }

func (*PlaygroundEgress) egress() {}

// The playground components have no id of their own.
var (
	playgroundIngressID = TypeName{"io.statefun.playground", "ingress"}
	playgroundEgressID  = TypeName{"io.statefun.playground", "egress"}
)

func (l *loader) playgroundIngress(kind string, spec *object) {
	l.addIngress(kind, playgroundIngressID, spec.node, &PlaygroundIngress{Port: spec.port()})
}

func (l *loader) playgroundEgress(kind string, spec *object) {
	e := &PlaygroundEgress{Port: spec.port()}
	for _, item := range spec.list("topics", true) {
		topic, n := l.scalar(item, "a topic")
		if n == nil {
			continue
		}
		if topic == "" {
			l.errorf(n.at, "write the topic's name", "a topic is empty")
			continue
		}
		e.Topics = append(e.Topics, topic)
	}
	slices.Sort(e.Topics)
	e.Topics = slices.Compact(e.Topics)
	l.addEgress(kind, playgroundEgressID, spec.node, e)
}

func (o *object) port() int {
	if o.required("port", "write port: and a number up to 65535") == nil {
		return 0
	}
	return int(o.integer("port", 0, 0, 65535))
}
