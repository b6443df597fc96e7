package stateway

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Handler is the code of a function. It runs once for each message, and never twice at a time for one Address.
//
// An error or a panic fails the whole batch that the message came in: nothing of it takes effect, and the runtime
// tries again, by the retry rules of the endpoint. A message that can never succeed is better answered, sent to an
// egress or dropped than failed.
type Handler func(ctx *Context, msg Message) error

// App is a set of functions and the server for them: an http.Handler, a Lambda handler (Lambda), and Invoke and Run for
// other ways in. Functions are registered first; it is safe for concurrent use then, and also if another function is
// registered while it serves.
type App struct {
	log          *slog.Logger  // set by New, then constant
	maxRequest   int64         // set by New, then constant
	parallel     int           // set by New, then constant
	lambdaMargin time.Duration // set by New, then constant

	registry atomic.Pointer[registry]
	mu       sync.Mutex // held while the registry is replaced
}

// registry is what is registered. It never changes once it is in App.registry.
type registry struct {
	functions map[string]*function
	names     map[string]string // function types and state names, so that a request's bytes need no new string
}

type function struct {
	handler Handler
	values  []*declaration
}

// Option changes how an App serves.
type Option func(*App)

// WithLogger sets where failed requests are logged. The default is slog.Default at the time of New.
func WithLogger(log *slog.Logger) Option {
	return func(a *App) { a.log = log }
}

// DefaultMaxRequestBytes is the largest request body that an App takes unless WithMaxRequestBytes says otherwise.
const DefaultMaxRequestBytes = 256 << 20

// WithMaxRequestBytes sets the largest HTTP request body, in bytes; larger ones get status 413. A request holds the
// state of one Address and the messages that wait for it. Values of 0 and less mean DefaultMaxRequestBytes.
func WithMaxRequestBytes(n int64) Option {
	return func(a *App) {
		if n > 0 {
			a.maxRequest = n
		}
	}
}

// DefaultParallel is how many items of a group run at a time unless WithParallel says otherwise.
const DefaultParallel = 32

// WithParallel sets how many items of one group, each of another Address, run at a time. Handlers that wait for other
// systems gain from more; handlers that compute gain nothing beyond the number of processors. Values of 0 and less mean
// DefaultParallel.
func WithParallel(n int) Option {
	return func(a *App) {
		if n > 0 {
			a.parallel = n
		}
	}
}

// New returns an App without functions.
func New(opts ...Option) *App {
	a := &App{log: slog.Default(), maxRequest: DefaultMaxRequestBytes, parallel: DefaultParallel, lambdaMargin: DefaultLambdaMargin}
	a.registry.Store(&registry{})
	for _, opt := range opts {
		opt(a)
	}
	return a
}

// Function is Register that panics with the error, for programs that register at start.
func (a *App) Function(typ FunctionType, handler Handler, values ...Declared) {
	if err := a.Register(typ, handler, values...); err != nil {
		panic(err)
	}
}

// Register adds a function with its state values. It reports everything that is wrong at once: a type that is not
// namespace/name or registered already, a missing handler, and values with an invalid or repeated name, type or expiry.
func (a *App) Register(typ FunctionType, handler Handler, values ...Declared) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	fn := &function{handler: handler}
	old := a.registry.Load()
	errs := checkFunction(old, typ, handler)
	for i, v := range values {
		d, err := checkValue(v, fn.values)
		if err != nil {
			errs = append(errs, fmt.Errorf("value %d of %d: %w", i+1, len(values), err))
			continue
		}
		fn.values = append(fn.values, d)
	}
	if len(errs) > 0 {
		return fmt.Errorf("register function %q: %w", typ, errors.Join(errs...))
	}
	a.registry.Store(old.with(typ, fn))
	return nil
}

// Functions returns the registered types, sorted.
func (a *App) Functions() []FunctionType {
	var types []FunctionType
	for name := range a.registry.Load().functions {
		types = append(types, FunctionType(name))
	}
	slices.Sort(types)
	return types
}

// Values returns what a function declared, in that order, so that an embedding runtime need not learn it from a first
// incomplete batch. It is nil for a function without values and for an unknown one.
func (a *App) Values(typ FunctionType) []ValueSpec {
	fn := a.registry.Load().functions[string(typ)]
	if fn == nil {
		return nil
	}
	var specs []ValueSpec
	for _, d := range fn.values {
		specs = append(specs, d.spec)
	}
	return specs
}

func (r *registry) with(typ FunctionType, fn *function) *registry {
	next := &registry{functions: maps.Clone(r.functions), names: maps.Clone(r.names)}
	if next.functions == nil {
		next.functions = make(map[string]*function)
		next.names = make(map[string]string)
	}
	next.functions[string(typ)] = fn
	next.names[string(typ)] = string(typ)
	for _, d := range fn.values {
		next.names[d.spec.Name] = d.spec.Name
	}
	return next
}

// name returns b as a string, without a new one for what is registered.
func (r *registry) name(b []byte) string {
	if s, ok := r.names[string(b)]; ok {
		return s
	}
	return string(b)
}

func checkFunction(r *registry, typ FunctionType, handler Handler) []error {
	var errs []error
	if err := checkName(string(typ)); err != nil {
		errs = append(errs, fmt.Errorf("the type %w", err))
	}
	if r.functions[string(typ)] != nil {
		errs = append(errs, errors.New("it is registered already"))
	}
	if handler == nil {
		errs = append(errs, errors.New("the handler is nil"))
	}
	return errs
}

func checkValue(v Declared, before []*declaration) (*declaration, error) {
	if v == nil || v.declared() == nil {
		return nil, errors.New("it is nil")
	}
	d := v.declared()
	errs := slices.Clone(d.errs)
	for _, other := range before {
		if other.spec.Name == d.spec.Name {
			errs = append(errs, errors.New("another value has the same name"))
			break
		}
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("state %q: %w", d.spec.Name, errors.Join(errs...))
	}
	return d, nil
}
