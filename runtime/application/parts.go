package application

import (
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/stateway/stateway/internal/awsclient"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress/discard"
	"github.com/stateway/stateway/runtime/egress/kinesis"
	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/runtime/node"
)

// Options say what a module's components need beside the module.
type Options struct {
	// Workers is how many worker goroutines the node will have. Required.
	Workers int
	// Log gets one line for each address listened on and each endpoint. Nil means slog.Default.
	Log *slog.Logger
	// Functions are served in this process. Their types must have been given to module.Options.Functions.
	Functions Functions
	// Routers decide where records of an ingress go, by its id, instead of the module's targets; the messages of several are put together.
	Routers map[string][]ingress.Router
	// Discarded, if set, is told every discard egress that is opened, for its counters.
	Discarded func(id string, e *discard.Egress)
	// Writes, if set, is told every egress that is opened and counts by stream.
	Writes func(id string, w StreamWriter)
	// AWSCalls, if set, is told every attempt of every call to AWS.
	AWSCalls func(awsclient.Call)
	// Application is the application's name: what ingresses register under at their services, unless the module names it.
	Application string
	// Host is the address that playground servers listen on; empty means 127.0.0.1.
	Host string
}

// StreamWriter is an egress that counts by stream.
type StreamWriter interface{ Stats() []kinesis.Stats }

// Parts makes the parts of a node. All kinds without a driver are named in one error.
func Parts(app *module.Application, opt Options) (node.Parts, error) {
	if missing := app.NoDriver(); len(missing) > 0 {
		return node.Parts{}, errors.New(strings.Join(missing, "\n"))
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.Host == "" {
		opt.Host = "127.0.0.1"
	}
	b := &builder{app: app, opt: opt, parts: node.Parts{EndpointOf: endpointOf(app)}}
	var problems []error
	for i := range app.Egresses {
		problems = append(problems, b.egress(&app.Egresses[i]))
	}
	for i := range app.Endpoints {
		problems = append(problems, b.endpoint(&app.Endpoints[i]))
	}
	for i := range app.Ingresses {
		problems = append(problems, b.ingress(&app.Ingresses[i]))
	}
	return b.parts, errors.Join(problems...)
}

// Fingerprint is the module's fingerprint as a node's config holds it.
func Fingerprint(app *module.Application) (sum [32]byte) {
	b, err := hex.DecodeString(app.Fingerprint())
	if err != nil || len(b) != len(sum) {
		panic("application: a module's fingerprint is not 64 hexadecimal digits")
	}
	copy(sum[:], b)
	return sum
}

// builder gathers the parts.
type builder struct {
	app   *module.Application
	opt   Options
	parts node.Parts
}

// endpointOf finds the endpoint of a function type; what it found it remembers.
func endpointOf(app *module.Application) func(core.FunctionType) (core.EndpointID, bool) {
	type answer struct {
		id core.EndpointID
		ok bool
	}
	var known sync.Map // of function types that are served: as many as there are
	return func(t core.FunctionType) (core.EndpointID, bool) {
		if a, ok := known.Load(t); ok {
			return a.(answer).id, a.(answer).ok
		}
		name, err := module.ParseTypeName(string(t))
		if err != nil || name.String() != string(t) || name.Name == "*" {
			return 0, false
		}
		i, ok := app.EndpointFor(name)
		if ok {
			known.Store(t, answer{core.EndpointID(i), true}) //nolint:gosec // a short list
		}
		return core.EndpointID(i), ok //nolint:gosec // a short list
	}
}

func (b *builder) egressID(name module.TypeName) (core.EgressID, error) {
	for i, e := range b.parts.Egresses {
		if e.Core.Name == name.String() {
			return core.EgressID(i), nil //nolint:gosec // a short list
		}
	}
	return 0, fmt.Errorf("there is no egress %s", name)
}

func functionTypes(names []module.TypeName) []core.FunctionType {
	types := make([]core.FunctionType, len(names))
	for i, n := range names {
		types[i] = core.FunctionType(n.String())
	}
	return types
}
