package module

import "strings"

// The kinds of components. Those of io.stateway are known to Stateway only.
const (
	KindHTTPv1            = "io.statefun.endpoints.v1/http"
	KindHTTPv2            = "io.statefun.endpoints.v2/http"
	KindKnative           = "io.stateway.endpoints.v1/knative"
	KindLambda            = "io.stateway.endpoints.v1/lambda"
	KindKafkaIngress      = "io.statefun.kafka.v1/ingress"
	KindKafkaEgress       = "io.statefun.kafka.v1/egress"
	KindKinesisIngress    = "io.statefun.kinesis.v1/ingress"
	KindKinesisEgress     = "io.statefun.kinesis.v1/egress"
	KindPlaygroundIngress = "io.statefun.playground.v1/ingress"
	KindPlaygroundEgress  = "io.statefun.playground.v1/egress"
	KindGenerator         = "io.stateway.generator.v1/ingress"
	KindFile              = "io.stateway.file.v1/egress"
	KindDiscard           = "io.stateway.discard.v1/egress"

	// KindEmbedded is the kind of an endpoint that the embedding program serves. No file declares it.
	KindEmbedded = "embedded"
)

// component reads the spec of one kind.
type component struct {
	role role
	read func(l *loader, kind string, spec *object)
}

type role uint8

const (
	endpointRole role = iota
	ingressRole
	egressRole
)

func kinds() map[string]component {
	return map[string]component{
		KindHTTPv1:            {endpointRole, (*loader).httpV1},
		KindHTTPv2:            {endpointRole, (*loader).httpV2},
		KindKnative:           {endpointRole, (*loader).knative},
		KindLambda:            {endpointRole, (*loader).lambda},
		KindKafkaIngress:      {ingressRole, (*loader).kafkaIngress},
		KindKafkaEgress:       {egressRole, (*loader).kafkaEgress},
		KindKinesisIngress:    {ingressRole, (*loader).kinesisIngress},
		KindKinesisEgress:     {egressRole, (*loader).kinesisEgress},
		KindPlaygroundIngress: {ingressRole, (*loader).playgroundIngress},
		KindPlaygroundEgress:  {egressRole, (*loader).playgroundEgress},
		KindGenerator:         {ingressRole, (*loader).generator},
		KindFile:              {egressRole, (*loader).fileEgress},
		KindDiscard:           {egressRole, (*loader).discardEgress},
	}
}

// document reads one document of the usual form: kind and spec. An empty one is skipped.
func (l *loader) document(doc *node) {
	if doc.kind == nullNode && !doc.broken {
		return
	}
	o := l.object(doc, "a document")
	if o == nil {
		l.incomplete = true
		return
	}
	if o.has("version") && o.has("module") && !o.has("kind") {
		l.incomplete = true
		l.errorf(o.keyAt("version"), "remove the --- line and other documents, or write each component with kind and spec",
			"the form with version and module must be the only document of its file")
		return
	}
	kind := o.required("kind", "write kind: and one of the kinds of docs/module.md")
	spec := o.required("spec", "write spec: with the component's keys below it")
	o.done()
	if kind == nil {
		l.incomplete = true
		return
	}
	if name, n := l.scalar(kind, "kind"); n != nil {
		l.component(name, n.at, spec)
	}
}

// component reads a component of a kind. A nil spec was reported already.
func (l *loader) component(kind string, at Position, spec *node) {
	c, canonical, ok := l.kind(kind, at)
	if !ok {
		l.incomplete = true
		return
	}
	switch c.role {
	case endpointRole:
		l.endpoints++
	case ingressRole:
		l.ingresses++
	case egressRole:
	}
	var o *object
	if spec != nil {
		l.substitute(spec)
		o = l.object(spec, canonical)
	}
	if o == nil {
		l.incomplete = true
		return
	}
	c.read(l, canonical, o)
	o.done()
}

func (l *loader) kind(kind string, at Position) (component, string, bool) {
	all := kinds()
	t, err := ParseTypeName(kind)
	if err != nil {
		hint := didYouMean(kind, sortedKeys(all))
		if nearest(kind, []string{shortHTTP}) != "" {
			hint = didYouMean(KindHTTPv2, sortedKeys(all))
		}
		l.errorf(at, hint, "kind: %v", err)
		return component{}, "", false
	}
	if c, ok := all[t.String()]; ok {
		return c, t.String(), true
	}
	switch {
	case t.String() == TransportAsync || t.String() == TransportOKHTTP:
		l.errorf(at, "write it as transport: {type: …} in the spec of an endpoint", "kind %q is a transport, not a component", kind)
	case nearest(t.String(), sortedKeys(all)) != "":
		l.errorf(at, didYouMean(t.String(), sortedKeys(all)), "unknown kind %q", kind)
	default:
		hint := "known kinds: " + strings.Join(sortedKeys(all), ", ")
		l.errorf(at, hint, "unknown kind %q (kinds that a JAR adds to StateFun cannot be used here)", kind)
	}
	return component{}, "", false
}
