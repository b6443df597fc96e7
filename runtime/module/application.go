package module

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
)

// Application is what module files declare. Its lists are sorted by name, so that they do not depend on the order
// of files and documents.
type Application struct {
	Endpoints []Endpoint // by Functions
	Ingresses []Ingress  // by ID
	Egresses  []Egress   // by ID

	specific map[TypeName]int // places in Endpoints
	wildcard map[string]int   // by namespace
}

// EndpointFor returns the place in Endpoints of the one that serves a function type. One that names the type
// beats one that serves its whole namespace. It does not allocate.
func (a *Application) EndpointFor(t TypeName) (index int, ok bool) {
	if i, ok := a.specific[t]; ok {
		return i, true
	}
	i, ok := a.wildcard[t.Namespace]
	return i, ok
}

// IngressFor returns the ingress with an id.
func (a *Application) IngressFor(id TypeName) (Ingress, bool) {
	i, ok := slices.BinarySearchFunc(a.Ingresses, id, func(in Ingress, id TypeName) int { return compareNames(in.ID, id) })
	if !ok {
		return Ingress{}, false
	}
	return a.Ingresses[i], true
}

// EgressFor returns the egress with an id.
func (a *Application) EgressFor(id TypeName) (Egress, bool) {
	i, ok := slices.BinarySearchFunc(a.Egresses, id, func(e Egress, id TypeName) int { return compareNames(e.ID, id) })
	if !ok {
		return Egress{}, false
	}
	return a.Egresses[i], true
}

// IngressIDs lists the ids of all ingresses, sorted.
func (a *Application) IngressIDs() []TypeName {
	out := make([]TypeName, len(a.Ingresses))
	for i, in := range a.Ingresses {
		out[i] = in.ID
	}
	return out
}

// EgressIDs lists the ids of all egresses, sorted.
func (a *Application) EgressIDs() []TypeName {
	out := make([]TypeName, len(a.Egresses))
	for i, e := range a.Egresses {
		out[i] = e.ID
	}
	return out
}

// Functions lists the function types and namespaces that are served, sorted.
func (a *Application) Functions() []Pattern {
	out := make([]Pattern, len(a.Endpoints))
	for i, e := range a.Endpoints {
		out[i] = e.Functions
	}
	return out
}

// NoDriver lists a sentence for each ingress and egress that this version can check and not run.
func (a *Application) NoDriver() []string {
	var out []string
	for _, in := range a.Ingresses {
		if s := in.NoDriver(); s != "" {
			out = append(out, s)
		}
	}
	for _, e := range a.Egresses {
		if s := e.NoDriver(); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// Fingerprint is 64 hexadecimal digits that are the same for applications that mean the same, whatever the order,
// the comments and the spelling of their files. Secrets do not count. A value that is later added to this package
// leaves it as it is for files that do not use it.
func (a *Application) Fingerprint() string {
	text, err := json.Marshal(a)
	if err != nil {
		panic(fmt.Sprintf("module: an application does not encode: %v", err)) // numbers are finite: see object.number
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// index sorts the lists and fills the lookup maps.
func (a *Application) index() {
	slices.SortFunc(a.Endpoints, func(x, y Endpoint) int { return compareNames(TypeName(x.Functions), TypeName(y.Functions)) })
	slices.SortFunc(a.Ingresses, func(x, y Ingress) int { return compareNames(x.ID, y.ID) })
	slices.SortFunc(a.Egresses, func(x, y Egress) int { return compareNames(x.ID, y.ID) })
	a.specific, a.wildcard = map[TypeName]int{}, map[string]int{}
	for i, e := range a.Endpoints {
		if e.Functions.Wildcard() {
			a.wildcard[e.Functions.Namespace] = i
		} else {
			a.specific[TypeName(e.Functions)] = i
		}
	}
}

func compareNames(a, b TypeName) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
