// Package embed runs a Stateway node inside a Go program: functions and routers in Go, and whatever else module files declare.
//
//	app := stateway.New()
//	app.Function("shop/cart", cart, items)
//	err := embed.Run(ctx, embed.Config{Application: "shop", Functions: app, Files: []string{"module.yaml"}})
//
// Embedded functions have the guarantees of all others: their effects count exactly once, whatever dies.
package embed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/stateway/stateway/internal/allocator"
	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/application"
	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/dirbucket"
	"github.com/stateway/stateway/runtime/egress/discard"
	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/runtime/node"
)

// Config is what an embedding program says of its node. The zero value of a field means its default.
type Config struct {
	// Functions run in this process. Nil means that module files name all endpoints.
	Functions *stateway.App
	// Files are module files: ingresses, egresses, further endpoints.
	Files []string
	// Modules are module files that the program holds in memory.
	Modules []module.Source
	// Routers decide, by ingress id, where its records go; several for one ingress each make messages. An ingress
	// without a router has the targets that its module names.
	Routers map[string][]ingress.Router

	// Application names the application in the bucket. Default: "default".
	Application string
	// Dir holds the data directory and the bucket, unless they are given. Default: .stateway in the working directory.
	Dir string
	// Data is the data directory. Default: data below Dir.
	Data string
	// Bucket is the only durable thing. Default: the folder bucket below Dir.
	Bucket checkpoint.Bucket
	// Shards is fixed when the application is created. Default: 64.
	Shards int
	// Workers is the number of worker goroutines. Default: one per core.
	Workers int
	// CheckpointEvery is the pause between two checkpoints. Default: one second.
	CheckpointEvery time.Duration
	// Memory bounds messages, overlays and caches, in bytes. Default: 512 MiB.
	Memory int64
	// Strict makes warnings about module files errors.
	Strict bool
	// AllowDropped names ingresses, egresses and function types that may be missing although data of them exists. The data stays.
	AllowDropped []string
	// Log gets what an operator should know. Default: slog.Default.
	Log *slog.Logger
	// Discarded, if set, is told every discard egress that is opened.
	Discarded func(id string, e *discard.Egress)
	// Writes, if set, is told every egress that is opened and counts by stream: those to Kinesis.
	Writes func(id string, w application.StreamWriter)
}

// New makes a node; its Run serves until the context ends, and it tells its readiness, metrics and Addresses. The error
// names everything that is wrong with the module files.
func New(cfg Config) (*node.Node, error) {
	cfg = cfg.withDefaults()
	functions := application.Functions{App: cfg.Functions}
	opts := module.Options{Strict: cfg.Strict, Embedded: true, Functions: functions.Types()}
	app, err := cfg.load(opts)
	if err != nil {
		return nil, err
	}
	for id := range cfg.Routers {
		name, err := module.ParseTypeName(id)
		if err != nil {
			return nil, fmt.Errorf("router of ingress %q: %w", id, err)
		}
		if _, ok := app.IngressFor(name); !ok {
			return nil, fmt.Errorf("router of ingress %s: no module declares that ingress", id)
		}
	}
	parts, err := application.Parts(app, application.Options{
		Workers: cfg.Workers, Log: cfg.Log, Functions: functions, Routers: cfg.Routers, Discarded: cfg.Discarded, Writes: cfg.Writes,
		Application: cfg.Application,
	})
	if err != nil {
		return nil, err
	}
	if cfg.Bucket == nil {
		if cfg.Bucket, err = dirbucket.Open(filepath.Join(cfg.Dir, "bucket"), dirbucket.Options{}); err != nil {
			return nil, err
		}
	}
	return node.New(node.Config{
		Data: cfg.Data, Bucket: cfg.Bucket, Application: cfg.Application, Shards: cfg.Shards, Workers: cfg.Workers,
		CheckpointEvery: cfg.CheckpointEvery, Memory: cfg.Memory, Log: cfg.Log, Module: application.Fingerprint(app),
		Parts: parts, AllowDropped: cfg.AllowDropped,
	})
}

// Run makes a node and serves until ctx ends; then it makes a halting checkpoint and returns nil.
func Run(ctx context.Context, cfg Config) error {
	n, err := New(cfg)
	if err != nil {
		return err
	}
	return n.Run(ctx)
}

// load reads all module files; those in memory and those of the file system make one application.
func (c *Config) load(opts module.Options) (*module.Application, error) {
	sources := c.Modules
	for _, file := range c.Files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("module file: %w", err)
		}
		sources = append(sources[:len(sources):len(sources)], module.Source{Name: file, Data: data})
	}
	app, warnings, err := module.Parse(opts, sources...)
	for _, w := range warnings {
		c.Log.Warn(w.String())
	}
	var all *module.Errors
	if errors.As(err, &all) {
		return nil, fmt.Errorf("module files:\n%w", err)
	}
	return app, err
}

func (c Config) withDefaults() Config {
	if c.Application == "" {
		c.Application = "default"
	}
	if c.Dir == "" {
		c.Dir = ".stateway"
	}
	if c.Data == "" {
		c.Data = filepath.Join(c.Dir, "data")
	}
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

// gcPercent lets the heap grow to five times of what lives: functions in the process make garbage of their own. It takes a tenth less CPU
// time a message than the 200 of `stateway run`, and a third more memory.
const gcPercent = 400

// TuneMemory sets the garbage collector, and the C library of a binary built with cgo, as is good for a process that is a node with
// Config.Memory of memory bytes (zero: the default) and hardly anything else: a memory limit of one and a half times that, GOGC 400, and
// large blocks that go back to the kernel when they are freed. GOMEMLIMIT, GOGC, MALLOC_MMAP_THRESHOLD_, and
// glibc.malloc.mmap_threshold in GLIBC_TUNABLES, win where the environment has them. Call it before Run: these are settings of the whole
// process, so that neither New nor Run touches them.
func TuneMemory(memory int64) {
	if memory == 0 {
		memory = node.DefaultMemory
	}
	allocator.Tune(memory, gcPercent)
}
