package shard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stateway/stateway/runtime/core"
)

// watch keeps the first failure of one shard's storage. It is also what Pebble logs to.
type watch struct {
	shard core.ShardID
	log   *slog.Logger
	fatal func(error)                      // told every shard's first failure
	mark  func(id core.ShardID, why error) // told if the files are damaged
	dead  chan struct{}                    // closed at the first failure

	mu      sync.Mutex
	first   error // guarded by mu: an ErrStore
	probing bool  // guarded by mu: files are being tried, so a failure is only noted
	wrecked bool  // guarded by mu: the engine panicked, or a call of it does not return
}

var _ pebble.Logger = (*watch)(nil)

// err is the failure, nil if there was none.
func (w *watch) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first
}

// probe begins to try files, whose failure is no failure of the store.
func (w *watch) probe() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.probing = true
}

// probed ends probe, and returns and forgets what went wrong since.
func (w *watch) probed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.first
	w.probing, w.wrecked, w.first = false, false, nil
	return err
}

// fail notes a failure of the storage while doing what, and returns it as an ErrStore.
func (w *watch) fail(what string, cause error) error {
	if errors.Is(cause, ErrStore) {
		return cause
	}
	err := fmt.Errorf("%w: shard %d: %s: %w", ErrStore, w.shard, what, cause)
	w.mu.Lock()
	if w.first != nil {
		w.mu.Unlock()
		return err
	}
	w.first = err
	probing := w.probing
	w.mu.Unlock()
	if probing {
		return err
	}
	close(w.dead)
	if damaged(cause) {
		w.mark(w.shard, err)
	}
	w.fatal(err)
	return err
}

// recovered turns a panic of the storage into an ErrStore. It is deferred.
func (w *watch) recovered(what string, err *error) {
	r := recover()
	if r == nil {
		return
	}
	w.log.Error("panic in a shard's store", "shard", w.shard, "during", what, "panic", r, "stack", string(debug.Stack()))
	w.abandon()
	*err = w.fail(what, fmt.Errorf("%w: panic: %v", errDamaged, r))
}

// await runs f, which may never return once the storage has failed: Pebble tries a flush again for ever, and commits wait
// for it. Then it returns the failure, and nothing calls the engine any more.
func (w *watch) await(what string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		var err error
		defer func() { done <- err }()
		defer w.recovered(what, &err)
		err = f()
	}()
	select {
	case err := <-done:
		return err
	case <-w.dead:
	}
	select {
	case err := <-done:
		return errors.Join(w.err(), err)
	default:
		w.abandon()
		return w.err()
	}
}

func (w *watch) abandon() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrecked = true
}

// abandoned reports whether nothing can be called any more, because locks may be held for ever.
func (w *watch) abandoned() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wrecked
}

var errDamaged = errors.New("the files are damaged")

// damaged reports whether a failure means that the files are not to be opened again.
func damaged(err error) bool {
	return errors.Is(err, errDamaged) || errors.Is(err, core.ErrRow()) || pebble.IsCorruptionError(err) || errors.Is(err, syscall.EIO)
}

// Infof logs at debug level.
func (w *watch) Infof(format string, args ...any) { w.debug(format, args) }

// Errorf logs at debug level: what matters comes as an event or an error too.
func (w *watch) Errorf(format string, args ...any) { w.debug(format, args) }

// Fatalf notes a failure; the process goes on, the store does not.
func (w *watch) Fatalf(format string, args ...any) {
	_ = w.fail("run Pebble", fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(format, args...)))
}

func (w *watch) debug(format string, args []any) {
	if w.log.Enabled(context.Background(), slog.LevelDebug) {
		w.log.Debug(fmt.Sprintf(format, args...), "shard", w.shard, "from", "pebble")
	}
}
