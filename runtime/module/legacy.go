package module

// shortHTTP is the kind of an HTTP endpoint in the 3.0 form.
const shortHTTP = "http"

// legacyKinds are the short kinds and types of the 3.0 form.
func legacyKinds() map[string]string {
	return map[string]string{
		shortHTTP:                     KindHTTPv1,
		"io.statefun.kafka/ingress":   KindKafkaIngress,
		"io.statefun.kafka/egress":    KindKafkaEgress,
		"io.statefun.kinesis/ingress": KindKinesisIngress,
		"io.statefun.kinesis/egress":  KindKinesisEgress,
	}
}

// legacy reads the single document of StateFun 3.0: version, and module with meta and spec.
func (l *loader) legacy(doc *node) {
	o := l.object(doc, "a document")
	if !l.legacyVersion(o) {
		l.incomplete = true
		return
	}
	module := o.required("module", "write module: with meta and spec below it")
	o.done()
	if module == nil {
		l.incomplete = true
		return
	}
	m := l.object(module, "module")
	if m == nil {
		l.incomplete = true
		return
	}
	if meta := m.required("meta", "write meta: {type: remote}"); meta != nil {
		l.legacyMeta(meta)
	}
	spec := m.required("spec", "write spec: with endpoints, ingresses and egresses below it")
	m.done()
	if spec == nil {
		l.incomplete = true
		return
	}
	s := l.object(spec, "module.spec")
	if s == nil {
		l.incomplete = true
		return
	}
	l.legacyEntries(s, "endpoints", "endpoint")
	l.legacyEntries(s, "ingresses", "ingress")
	l.legacyEntries(s, "egresses", "egress")
	s.done()
}

func (l *loader) legacyVersion(o *object) bool {
	version, n := o.scalar("version")
	if n == nil {
		return false
	}
	switch version {
	case "3.0":
		return true
	case "1.0", "2.0":
		l.errorf(n.at, `use "3.0", or documents with kind and spec`, "version %q of the module form has reached its end of life", version)
	case "3.1":
		l.errorf(n.at, "leave version and module out and write each component as a document with kind and spec",
			"version %q does not have this form", version)
	default:
		l.errorf(n.at, `write version: "3.0"`, "unknown version %q", version)
	}
	return false
}

func (l *loader) legacyMeta(meta *node) {
	m := l.object(meta, "module.meta")
	if m == nil {
		return
	}
	if kind, n := m.requiredText("type", "write type: remote"); n != nil {
		l.oneOf(n, "module.meta.type", kind, "remote")
	}
	m.done()
}

// legacyEntries reads a list whose entries wrap their object: - endpoint: {meta, spec}.
func (l *loader) legacyEntries(spec *object, list, wrapper string) {
	for _, item := range spec.list(list, false) {
		o := l.object(item, "an entry of "+list)
		if o == nil {
			l.incomplete = true
			continue
		}
		inner := o.required(wrapper, "write - "+wrapper+": with meta and spec below it")
		o.done()
		if inner == nil || !l.legacyComponent(inner, wrapper) {
			l.incomplete = true
		}
	}
}

func (l *loader) legacyComponent(n *node, wrapper string) bool {
	o := l.object(n, wrapper)
	if o == nil {
		return false
	}
	meta := o.required("meta", "write meta: with its kind below it")
	spec := o.required("spec", "write spec: with its keys below it")
	o.done()
	if meta == nil {
		return false
	}
	m := l.object(meta, wrapper+".meta")
	if m == nil {
		return false
	}
	key := "type"
	if wrapper == "endpoint" {
		key = "kind"
	}
	kind, kindNode := m.requiredText(key, "write the kind of the "+wrapper)
	if wrapper != "endpoint" {
		moveID(m, spec)
	}
	m.done()
	if kindNode == nil {
		return false
	}
	if long, ok := legacyKinds()[kind]; ok {
		kind = long
	}
	l.component(kind, kindNode.at, spec)
	return true
}

// moveID moves id from meta into the spec, where it stands today.
func moveID(meta *object, spec *node) {
	id := meta.value("id")
	if id == nil || spec == nil || spec.kind != mapNode || spec.get("id") != nil {
		return
	}
	spec.fields = append(spec.fields, field{"id", meta.keyAt("id"), id})
}
