package node

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/bootclock"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
)

var (
	// ErrDeposed: another process leads the application. This one must end; what it had not committed, the other reads again.
	ErrDeposed = errors.New("another process leads this application now")
	// ErrNotCommitted: the node halted without a last checkpoint. What it had not committed, the next start reads again.
	ErrNotCommitted = errors.New("halted without a last checkpoint: the bucket did not take it")
	// ErrDropped: the parts lack something of which positions or rows exist.
	ErrDropped = errors.New("the application lacks what it still has data of")
)

// Node is one process of an application.
type Node struct {
	cfg      Config
	metrics  metrics
	requests *checkpoint.Counted // what the bucket was sent

	// Set by Run before a generation, then constant.
	set   *shard.Set
	app   *checkpoint.Application
	nonce uint64
	reign *checkpoint.Reign // owned by the coordinator's goroutine while a generation runs

	mu    sync.Mutex
	gen   *generation // that runs; guarded by mu
	leads bool        // a claim of this process has won; guarded by mu
	say   string      // what the node waits for; guarded by mu
}

// New checks the config. Run does everything else.
func New(cfg Config) (*Node, error) {
	cfg = cfg.withDefaults()
	var problems []string
	if cfg.Data == "" {
		problems = append(problems, "Data: the data directory is required")
	}
	if cfg.Bucket == nil {
		problems = append(problems, "Bucket: required")
	}
	if err := checkpoint.ValidName(cfg.Application); err != nil {
		problems = append(problems, "Application: "+err.Error())
	}
	if cfg.Parts.EndpointOf == nil {
		problems = append(problems, "Parts.EndpointOf: required")
	}
	if cfg.Workers < 1 || cfg.Workers > 1024 {
		problems = append(problems, "Workers: from 1 to 1,024")
	}
	if cfg.CheckpointEvery < time.Millisecond {
		problems = append(problems, "CheckpointEvery: at least 1ms")
	}
	if len(problems) > 0 {
		return nil, errors.New(strings.Join(problems, "; "))
	}
	requests := checkpoint.Count(cfg.Bucket)
	cfg.Bucket = newPatient(requests, cfg.BucketPatience)
	n := &Node{cfg: cfg, requests: requests, say: "start"}
	n.metrics.cuts = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "stateway_cut_seconds", Help: "Time of one cut on one worker.", Buckets: cutBuckets,
	})
	return n, nil
}

// Run serves until ctx ends; then it makes a halting checkpoint and returns nil. It returns ErrDeposed if another process took over.
func (n *Node) Run(ctx context.Context) (err error) {
	var nonce [8]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return err
	}
	n.nonce = binary.LittleEndian.Uint64(nonce[:])
	if err := n.open(ctx); err != nil {
		return ignoreEnd(ctx, err)
	}
	defer func() { err = errors.Join(err, n.set.Close()) }()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.gen, n.leads, n.say = nil, false, "end of the process"
	}()
	state, err := n.lead(ctx)
	if err != nil || state == nil {
		return ignoreEnd(ctx, err)
	}
	n.saying("restore of the shards")
	g, err := n.newGeneration(core.Generation(n.reign.Lineage().Generation), n.nonce, state)
	if err != nil {
		return err
	}
	if err := n.checkDropped(state); err != nil {
		return err
	}
	if err := g.run(ctx, state); !errors.Is(err, errHalted) {
		return err
	}
	return nil
}

// open opens the application in the bucket and locks the data directory.
func (n *Node) open(ctx context.Context) error {
	opt := checkpoint.Options{Random: rand.Reader, Clock: bootclock.Now}
	var err error
	if n.app, err = n.openApplication(ctx, opt); err != nil {
		return err
	}
	n.set, err = shard.Open(shard.Options{
		Dir: filepath.Join(n.cfg.Data, n.cfg.Application), FS: n.cfg.FS, Application: n.app.ID,
		CacheBytes: n.cfg.Memory / 8, MemTableBytes: n.memTable(), Log: n.cfg.Log,
		Fatal: func(err error) {
			if g := n.generation(); g != nil {
				g.fail(err)
			}
		},
	})
	return err
}

// openApplication opens the application, or creates it. What goes wrong for want of the bucket it tries again for some time.
func (n *Node) openApplication(ctx context.Context, opt checkpoint.Options) (*checkpoint.Application, error) {
	for attempt := 0; ; attempt++ {
		app, err := n.tryApplication(ctx, opt)
		if err == nil || !retryable(err) || attempt == restoreTries {
			return app, err
		}
		n.cfg.Log.Warn("open the application in the bucket", "error", err)
		if !sleep(ctx, backoff(attempt)) {
			return nil, ctx.Err()
		}
	}
}

func (n *Node) tryApplication(ctx context.Context, opt checkpoint.Options) (*checkpoint.Application, error) {
	shards := n.cfg.Shards
	if shards == 0 {
		app, err := checkpoint.OpenApplication(ctx, n.cfg.Bucket, n.cfg.Application, opt)
		if !errors.Is(err, checkpoint.ErrNotFound) {
			return app, err
		}
		shards = defaultShards
	}
	app, err := checkpoint.CreateApplication(ctx, n.cfg.Bucket, n.cfg.Application, shards, opt)
	if err == nil && app.Created {
		n.cfg.Log.Info("the bucket had no application of this name: a new one is created", "application", app.Name, "shards", app.Shards)
	}
	return app, err
}

// lead waits until this process may claim, claims, and returns the restore point; nil if ctx ended before.
func (n *Node) lead(ctx context.Context) (*checkpoint.State, error) {
	log := n.app.Log()
	for ctx.Err() == nil {
		tail, err := n.awaitClaim(ctx, log)
		if err != nil || ctx.Err() != nil {
			return nil, ignoreEnd(ctx, err)
		}
		n.reign = log.NewReign(tail)
		claim, err := n.reign.Append(ctx, checkpoint.Entry{Claim: &checkpoint.Claim{
			Contact: n.cfg.Contact, Nonce: n.nonce, DataDir: n.set.ID(), Module: n.cfg.Module, Time: core.Millis(time.Now().UnixMilli()),
		}})
		for attempt := 0; err != nil && n.reign.Pending(); attempt++ {
			if !sleep(ctx, backoff(attempt)) {
				return nil, nil
			}
			claim, err = n.reign.Settle(ctx)
		}
		if errors.Is(err, checkpoint.ErrDeposed) {
			n.cfg.Log.Info("another process claimed the application first; waiting")
			continue
		}
		if err != nil {
			return nil, ignoreEnd(ctx, err)
		}
		n.publish(nil)
		return n.restorePoint(ctx, claim.Number)
	}
	return nil, nil
}

// restorePoint reads what the manifests below a claim say, trying a few times; nil if ctx ended before.
func (n *Node) restorePoint(ctx context.Context, claim checkpoint.Number) (*checkpoint.State, error) {
	for attempt := 0; ; attempt++ {
		state, err := n.app.Log().StateBelow(ctx, claim, 8)
		if err == nil || !retryable(err) || attempt == restoreTries {
			return state, ignoreEnd(ctx, err)
		}
		n.cfg.Log.Warn("read the manifests of the restore point", "error", err)
		if !sleep(ctx, backoff(attempt)) {
			return nil, nil
		}
	}
}

func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// checkDropped refuses a start without something that positions or rows still name.
func (n *Node) checkDropped(state *checkpoint.State) error {
	var missing []string
	for name := range state.Positions {
		id, _, _ := strings.Cut(name, " ")
		has := slices.ContainsFunc(n.cfg.Parts.Ingresses, func(i Ingress) bool { return i.ID == id })
		if !has && !slices.Contains(n.cfg.AllowDropped, id) {
			missing = append(missing, "ingress "+id)
		}
	}
	return droppedError(missing)
}

// checkShard refuses a shard with rows of function types that no endpoint serves, or records of egresses that are gone.
func (n *Node) checkShard(store *shard.Store) error {
	var missing []string
	for _, t := range store.FunctionTypes() {
		if _, served := n.cfg.Parts.EndpointOf(t); served || slices.Contains(n.cfg.AllowDropped, string(t)) {
			continue
		}
		if has, err := hasRows(store, t); err != nil {
			return err
		} else if has {
			missing = append(missing, "function type "+string(t))
		}
	}
	names, err := store.OutboxEgresses()
	if err != nil {
		return err
	}
	for _, name := range names {
		has := slices.ContainsFunc(n.cfg.Parts.Egresses, func(e Egress) bool { return e.Core.Name == name })
		if !has && !slices.Contains(n.cfg.AllowDropped, name) {
			missing = append(missing, "egress "+name)
		}
	}
	return droppedError(missing)
}

// hasRows reports whether the shard holds any row of a function type.
func hasRows(store *shard.Store, t core.FunctionType) (bool, error) {
	const page = 1024
	for after := []byte(nil); ; {
		has, next, err := store.HasFunctionType(t, after, page)
		if err != nil || has || next == nil {
			return has, err
		}
		after = next
	}
}

func droppedError(missing []string) error {
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	return fmt.Errorf("%w: %s: put it back, or start with --allow-dropped and its name to give the data up", ErrDropped, strings.Join(missing, ", "))
}

func (n *Node) saying(what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.say = what
}

// publish tells that this process leads, with the generation that runs from now on; nil until it can be asked.
func (n *Node) publish(g *generation) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gen, n.leads = g, true
}

func (n *Node) generation() *generation {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.gen
}

// memTable is the size of a shard's table in memory: all shards' together, two of each, stay within a quarter of the memory,
// unless that would be less than the least there is. Pebble keeps one that was flushed for the next time.
func (n *Node) memTable() int {
	share := n.cfg.Memory / 8 / int64(n.app.Shards)
	return int(min(max(share, 256<<10), 4<<20))
}

// partitionBudget is the credit of one of an ingress's partitions, in bytes: an eighth of the memory for all of them together, unless
// they are very many.
func (n *Node) partitionBudget(partitions int) int64 {
	return max(64<<10, n.cfg.Memory/8/int64(max(8, partitions)))
}

// checkReady notes, once, that every shard serves and every ingress is read.
func (g *generation) checkReady() {
	if g.pending.Load() > 0 || !g.ingresses.isReading() || !g.ready.CompareAndSwap(false, true) {
		return
	}
	g.node.saying("")
	g.log.Info("ready", "application", g.node.cfg.Application, "generation", g.id, "checkpoint", g.restored,
		"shards", len(g.stores), "workers", len(g.workers), "took", time.Since(g.started).Round(time.Millisecond))
}

// wantSoon asks for a checkpoint before its usual time.
func (g *generation) wantSoon() {
	g.coordinator.put(core.Wanted{Why: core.WantSoon, Epoch: g.coordinator.nextEpoch()})
}
