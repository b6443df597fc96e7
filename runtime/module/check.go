package module

import (
	"fmt"
	"path/filepath"
	"strconv"
)

// check looks at what spans documents and files.
func (l *loader) check() {
	l.checkDuplicates()
	l.checkPlaces()
	l.checkMinimum()
	if l.incomplete {
		return // what seems to be missing may stand in what could not be read
	}
	l.checkTargets()
	l.checkDeadLetters()
	l.checkLoops()
	l.checkConsumers()
	l.checkEnvelopes()
}

// unique reports a second use of what may be used once.
type unique struct {
	l    *loader
	what string
	hint string
	seen map[string]Position
}

func (u *unique) use(name string, at Position) {
	first, twice := u.seen[name]
	if !twice {
		u.seen[name] = at
		return
	}
	where := "by the embedding program"
	if first.File != "" {
		where = "at " + first.String()
	}
	u.l.errorf(at, u.hint, u.what, name, where)
}

func (l *loader) unique(what, hint string) *unique {
	return &unique{l: l, what: what, hint: hint, seen: map[string]Position{}}
}

func (l *loader) checkDuplicates() {
	functions := l.unique("functions %s are served already, %s", "remove one of the endpoints")
	for _, e := range l.app.Endpoints {
		functions.use(e.Functions.String(), e.At)
	}
	ingresses := l.unique("ingress %s is declared already, %s", "give each ingress its own id")
	for _, in := range l.app.Ingresses {
		ingresses.use(in.ID.String(), in.At)
	}
	egresses := l.unique("egress %s is declared already, %s", "give each egress its own id")
	for _, e := range l.app.Egresses {
		egresses.use(e.ID.String(), e.At)
	}
}

// checkPlaces finds two components that want the same port or file.
func (l *loader) checkPlaces() {
	ports := l.unique("port %s is taken already, %s", "give each its own port")
	for _, in := range l.app.Ingresses {
		if p, ok := in.Spec.(*PlaygroundIngress); ok && p.Port != 0 {
			ports.use(strconv.Itoa(p.Port), in.At)
		}
	}
	files := l.unique("file %s is written already, %s", "give each file egress its own path")
	for _, e := range l.app.Egresses {
		switch spec := e.Spec.(type) {
		case *PlaygroundEgress:
			if spec.Port != 0 {
				ports.use(strconv.Itoa(spec.Port), e.At)
			}
		case *FileEgress:
			if spec.Path != "" {
				files.use(filepath.Clean(spec.Path), e.At)
			}
		}
	}
}

func (l *loader) checkMinimum() {
	if l.opts.Embedded || l.incomplete {
		return
	}
	if l.endpoints == 0 && len(l.opts.Functions) == 0 {
		l.errorf(Position{}, "add a document of kind "+KindHTTPv2, "the application has no functions: no endpoint is declared")
	}
	if l.ingresses == 0 {
		l.errorf(Position{}, "add an ingress, such as one of kind "+KindPlaygroundIngress, "the application has no ingress")
	}
}

func (l *loader) checkTargets() {
	l.app.index()
	served := make([]string, 0, len(l.app.Endpoints))
	for _, p := range l.app.Functions() {
		served = append(served, p.String())
	}
	for _, r := range l.targets {
		if _, ok := l.app.EndpointFor(r.name); ok {
			continue
		}
		hint := fmt.Sprintf("add an endpoint with functions: %s, or %s/*", r.name, r.name.Namespace)
		if near := nearest(r.name.String(), served); near != "" {
			hint = "did you mean " + strconv.Quote(near) + "? Otherwise " + hint
		}
		l.errorf(r.at, hint, "target %s is served by no endpoint", r.name)
	}
}

func (l *loader) checkDeadLetters() {
	var ids []string
	known := map[TypeName]bool{}
	for _, id := range l.app.EgressIDs() {
		ids = append(ids, id.String())
		known[id] = true
	}
	for _, r := range l.letters {
		if known[r.name] {
			l.checkLetterbox(r)
			continue
		}
		hint := didYouMean(r.name.String(), ids)
		if len(ids) == 0 {
			hint = "declare an egress with this id"
		}
		l.errorf(r.at, hint, "deadLetter.egress %s is not declared", r.name)
	}
}

// checkLetterbox finds an egress that takes only records that say where they go: a dead letter does not.
func (l *loader) checkLetterbox(r reference) {
	e, _ := l.app.EgressFor(r.name)
	switch spec := e.Spec.(type) {
	case *PlaygroundEgress:
		if len(spec.Topics) > 1 {
			l.errorf(r.at, "leave one topic, or name an egress of another kind",
				"deadLetter.egress %s has several topics, and a dead letter names none", r.name)
		}
	case *KinesisEgress:
		if spec.Stream == "" {
			l.errorf(r.at, "give it stream: and the name of a stream",
				"deadLetter.egress %s has no stream of its own, and a dead letter names none", r.name)
		}
	}
}
