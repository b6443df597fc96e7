package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stateway/stateway/test/crash/bank"
	"github.com/stateway/stateway/test/harness"
)

// clients is how many clients send operations, each waiting for the answer before the next.
const clients = 24

// world is one application: its module, its function server, its clients. The nodes are started and killed by the test.
type world struct {
	t       *testing.T
	dir     string
	module  string
	bucket  string   // a folder, or a URL
	env     []string // of the nodes
	ingress harness.Ingress
	egress  harness.Egress
	seed    uint64

	functionsPort int
	functionsSpec harness.Spec
	functionsMu   sync.Mutex
	functions     *harness.Process // guarded by functionsMu

	round int // of queries; owned by the test's goroutine
}

const httpEndpoint = `kind: io.statefun.endpoints.v2/http
spec:
  functions: crash/*
  urlPathTemplate: http://%[1]s/
  transport: {type: io.statefun.transports.v1/async, call: 5min, connect: 1s}
  retry: {initial: 5ms, max: 200ms}
---
`

// restOfModule follows the endpoint.
const restOfModule = `kind: io.statefun.playground.v1/ingress
spec: {port: %[2]d}
---
kind: io.statefun.playground.v1/egress
spec: {port: %[3]d, topics: [states]}
---
kind: io.stateway.file.v1/egress
spec: {id: crash/exactly-once, path: %[4]q, delivery: after-commit}
---
kind: io.stateway.file.v1/egress
spec: {id: crash/at-least-once, path: %[5]q, delivery: at-least-once}
`

func newWorld(t *testing.T) *world { return newWorldOf(t, httpEndpoint) }

// newWorldOf makes a world whose functions are reached by an endpoint; env is what the functions' process finds besides.
func newWorldOf(t *testing.T, endpoint string, env ...string) *world {
	dir := t.TempDir()
	functions, in, out := harness.MustPort(t), harness.MustPort(t), harness.MustPort(t)
	w := &world{
		t: t, dir: dir, bucket: filepath.Join(dir, "bucket"), seed: harness.KillSeed(),
		ingress:       harness.Ingress{URL: "http://" + harness.Loopback(in)},
		egress:        harness.Egress{URL: "http://" + harness.Loopback(out)},
		functionsPort: functions,
		functionsSpec: harness.Spec{
			Name: "functions", Path: harness.MustBuild(t, "./test/crash/functions"), Env: append(env, "PORT="+strconv.Itoa(functions)),
		},
	}
	w.module = harness.MustWriteFile(t, dir, "module.yaml", fmt.Sprintf(
		endpoint+restOfModule, harness.Loopback(functions), in, out, w.path("exactly-once"), w.path("at-least-once"),
	))
	if err := w.startFunctions(); err != nil {
		t.Fatal(err)
	}
	t.Logf("seed %d (STATEWAY_CRASH_SEED=%d draws the same operations and pauses)", w.seed, w.seed)
	return w
}

// path returns the file of a file egress.
func (w *world) path(egress string) string { return filepath.Join(w.dir, egress+".jsonl") }

// node says how to run a node with the data directory of that name.
func (w *world) node(name string) harness.NodeConfig {
	return harness.NodeConfig{
		Name: name, Modules: []string{w.module}, Data: filepath.Join(w.dir, name), Bucket: w.bucket, Application: "bank",
		Env: w.env, Shards: 16, Workers: 2, Every: 200 * time.Millisecond, Lease: 500 * time.Millisecond,
	}
}

func (w *world) startFunctions() error {
	p, err := harness.Start(w.functionsSpec)
	if err != nil {
		return err
	}
	w.t.Cleanup(p.Kill)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.WaitOutput(ctx, "listening"); err != nil {
		return err
	}
	w.functionsMu.Lock()
	defer w.functionsMu.Unlock()
	w.functions = p
	return nil
}

// restartFunctions kills the function server and starts it again after a pause.
func (w *world) restartFunctions(pause time.Duration) error {
	w.functionsMu.Lock()
	p := w.functions
	w.functionsMu.Unlock()
	p.Kill()
	time.Sleep(pause)
	return w.startFunctions()
}

// load sends operations from all clients until stop is closed and returns them when every one was answered with 2xx.
func (w *world) load(stop <-chan struct{}) <-chan []bank.Op {
	ctx, cancel := context.WithTimeout(w.t.Context(), harness.KillTime()+3*time.Minute)
	var (
		mu    sync.Mutex
		taken []bank.Op
		wg    sync.WaitGroup
	)
	for client := range clients {
		wg.Go(func() {
			for number := 1; !closed(stop); number++ {
				op := bank.Draw(w.seed, client, number)
				if err := w.send(ctx, op); err != nil {
					w.t.Errorf("operation %s: %v", op.Name(), err)
					return
				}
				mu.Lock()
				taken = append(taken, op)
				mu.Unlock()
			}
		})
	}
	result := make(chan []bank.Op, 1)
	go func() {
		defer cancel()
		wg.Wait()
		result <- taken
	}()
	return result
}

// send sends an operation until it is taken. Some clients lose patience first and some send it once more though it was taken, so that repeats
// are there even when no kill falls between a commit and its answer.
func (w *world) send(ctx context.Context, op bank.Op) error {
	if op.Number%8 == 3 {
		impatient, cancel := context.WithTimeout(ctx, time.Duration(op.Amount%20)*time.Millisecond)
		_ = w.put(impatient, op.Account, bank.OpType.Name(), op.Name(), op) // the outcome is unknown on purpose
		cancel()
	}
	err := w.put(ctx, op.Account, bank.OpType.Name(), op.Name(), op)
	if err == nil && op.Number%8 == 5 {
		err = w.put(ctx, op.Account, bank.OpType.Name(), op.Name(), op)
	}
	return err
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// put sends a message until it is taken. The event names it, so that a repeat is dropped.
func (w *world) put(ctx context.Context, account, typename, event string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.ingress.PutUntilTaken(ctx, harness.Message{
		Function: string(bank.Function), ID: account, Type: typename, Body: body, Source: "crash-test", EventID: event,
	})
}

// query asks all accounts for their state.
func (w *world) query() map[string]bank.Account {
	w.t.Helper()
	w.round++
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for n := range bank.Accounts {
		wg.Go(func() {
			id := bank.AccountID(n)
			if err := w.put(ctx, id, bank.QueryType.Name(), fmt.Sprintf("query-%d-%s", w.round, id), bank.Query{Round: w.round}); err != nil {
				w.t.Errorf("query %s: %v", id, err)
			}
		})
	}
	wg.Wait()
	accounts := map[string]bank.Account{}
	for len(accounts) < bank.Accounts {
		payload, ok, err := w.egress.Take(ctx, bank.StatesTopic)
		if err != nil {
			w.t.Fatalf("take an answer to query %d: %v", w.round, err)
		}
		if !ok {
			select {
			case <-time.After(5 * time.Millisecond):
				continue
			case <-ctx.Done():
				w.t.Fatalf("query %d: %d of %d accounts answered", w.round, len(accounts), bank.Accounts)
			}
		}
		var answer bank.Answer
		if err := json.Unmarshal([]byte(payload), &answer); err != nil {
			w.t.Fatalf("answer %q: %v", payload, err)
		}
		if answer.Round == w.round { // what was taken just before a crash may be offered again
			accounts[answer.ID] = answer.Account
		}
	}
	return accounts
}

// expectDrained waits until the accounts hold what the operations lead to, and looks again after the last delayed message was due.
func (w *world) expectDrained(ops []bank.Op) {
	w.t.Helper()
	want := bank.Expect(ops)
	var diff string
	harness.Eventually(w.t, 45*time.Second, func() bool {
		got := w.query()
		diff = cmp.Diff(want, got)
		broken := slices.ContainsFunc(slices.Collect(maps.Values(got)), func(a bank.Account) bool { return len(a.Problems) > 0 })
		return diff == "" || broken
	}, func() string { return "accounts (-want +got):\n" + diff })
	if diff != "" {
		w.t.Fatalf("an account saw a broken rule; accounts (-want +got):\n%s", diff)
	}
	time.Sleep(bank.MaxLate)
	if diff := cmp.Diff(want, w.query()); diff != "" {
		w.t.Fatalf("accounts changed after everything had arrived (-want +got):\n%s", diff)
	}
}

// expectRecords compares what reached the file egresses with the operations.
func (w *world) expectRecords(ops []bank.Op) {
	w.t.Helper()
	want := map[string]int{}
	for _, op := range ops {
		want[op.Name()] = 1
	}
	var diff string
	harness.Eventually(w.t, 20*time.Second, func() bool {
		diff = cmp.Diff(want, w.recorded("exactly-once"))
		return diff == ""
	}, func() string { return "records of the exactly-once egress (-want +got):\n" + diff })
	harness.Eventually(w.t, 20*time.Second, func() bool {
		got := w.recorded("at-least-once")
		diff = cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
		return diff == ""
	}, func() string { return "records of the at-least-once egress (-want +got):\n" + diff })
}

// recorded counts the records of a file egress by their value.
func (w *world) recorded(egress string) map[string]int {
	w.t.Helper()
	records, err := harness.ReadFileRecords(w.path(egress))
	if err != nil {
		w.t.Fatal(err)
	}
	counts, ids := map[string]int{}, map[string]string{}
	for _, r := range records {
		counts[r.Value]++
		if other, twice := ids[r.ID]; twice && other != r.Value {
			w.t.Errorf("%s: records %s and %s have the same id %q", egress, other, r.Value, r.ID)
		}
		ids[r.ID] = r.Value
	}
	return counts
}
