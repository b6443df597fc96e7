package module

// Ingress is where records come from.
type Ingress struct {
	ID   TypeName
	Kind string // one of the Kind constants that end in Ingress, or KindGenerator
	// Spec is a *PlaygroundIngress, *GeneratorIngress, *KafkaIngress or *KinesisIngress, by Kind.
	Spec IngressSpec
	// At is where a file declares it.
	At Position `json:"-"`
}

// IngressSpec is what one kind of ingress needs to know. The kinds are those of this package.
type IngressSpec interface {
	// Targets lists the function types that records may be sent to; none where a record names its target itself.
	Targets() []TypeName
}

// Route says what becomes of the records of one topic or stream.
type Route struct {
	// Name is the topic's or stream's.
	Name string
	// ValueType is the typename given to the payload, which is not looked into. Any text.
	ValueType string
	// Targets get one message each, in this order. Empty only in embedded programs, whose routers decide.
	Targets []TypeName `json:",omitzero"`
}

// NoDriver returns a sentence that says why a node cannot run this ingress yet, or "" if it can.
func (i Ingress) NoDriver() string { return noDriver(i.Kind, "ingress", i.ID) }

// Egress is where records go.
type Egress struct {
	ID   TypeName
	Kind string // one of the Kind constants that end in Egress, or KindFile or KindDiscard
	// Spec is a *PlaygroundEgress, *FileEgress, *DiscardEgress, *KafkaEgress or *KinesisEgress, by Kind.
	Spec EgressSpec
	// At is where a file declares it.
	At Position `json:"-"`
}

// EgressSpec is what one kind of egress needs to know. The kinds are those of this package.
type EgressSpec interface{ egress() }

// NoDriver returns a sentence that says why a node cannot run this egress yet, or "" if it can.
func (e Egress) NoDriver() string { return noDriver(e.Kind, "egress", e.ID) }

func noDriver(kind, role string, id TypeName) string {
	switch kind {
	case KindKafkaIngress, KindKafkaEgress:
		return role + " " + id.String() + " is of kind " + kind +
			", which this version checks but cannot run: run the file with a version that can, or use another kind"
	default:
		return ""
	}
}

// addIngress keeps an ingress whose id could be read.
func (l *loader) addIngress(kind string, id TypeName, at *node, spec IngressSpec) {
	if at == nil {
		l.incomplete = true
		return
	}
	l.app.Ingresses = append(l.app.Ingresses, Ingress{ID: id, Kind: kind, Spec: spec, At: at.at})
}

// addEgress keeps an egress whose id could be read.
func (l *loader) addEgress(kind string, id TypeName, at *node, spec EgressSpec) {
	if at == nil {
		l.incomplete = true
		return
	}
	l.app.Egresses = append(l.app.Egresses, Egress{ID: id, Kind: kind, Spec: spec, At: at.at})
}

// routes reads a list of topics or streams. Of one name given twice the last counts, as in StateFun.
func (o *object) routes(list, nameKey string) []Route {
	var out []Route
	places := map[string]int{}
	for _, item := range o.list(list, true) {
		r, n := o.route(item, list, nameKey)
		if n == nil {
			continue
		}
		if i, twice := places[r.Name]; twice {
			o.l.warnf(n.at, "keep one of them", "%s %q is listed twice; the last entry counts", nameKey, r.Name)
			out[i] = r
			continue
		}
		places[r.Name] = len(out)
		out = append(out, r)
	}
	return out
}

func (o *object) route(item *node, list, nameKey string) (Route, *node) {
	p := o.l.object(item, "an entry of "+list)
	if p == nil {
		return Route{}, nil
	}
	name, n := p.requiredText(nameKey, "write "+nameKey+": and its name")
	valueType, _ := p.requiredText("valueType", "write valueType: namespace/type of the payload")
	r := Route{Name: name, ValueType: valueType, Targets: p.targets()}
	p.done()
	return r, n
}

// targets reads a list of function types, and notes them to be checked against the endpoints.
func (o *object) targets() []TypeName {
	var out []TypeName
	for _, item := range o.list("targets", !o.l.opts.Embedded) {
		t, n := o.l.name(item, "a target")
		if n == nil {
			continue
		}
		if t.Name == "*" {
			o.l.errorf(n.at, "name one function, and list each that is to get the record", "target %s stands for a whole namespace", t)
			continue
		}
		out = append(out, t)
		o.l.targets = append(o.l.targets, reference{t, n.at})
	}
	return out
}

func allTargets(routes []Route) []TypeName {
	var out []TypeName
	for _, r := range routes {
		out = append(out, r.Targets...)
	}
	return out
}
