package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// part is one section of a test run, also one word for -parts.
type part struct {
	name    string
	about   string
	folder  string                         // the part is left out while this folder holds no Go tests
	prepare func(*runner, context.Context) // nil if there is nothing to install or build
	run     func(*runner, context.Context)
	beside  bool // it waits more than it works: the parts after it run at the same time
}

// plan is the whole run, in order: what fails fastest comes first.
func plan() []part {
	return []part{
		{name: "lint", about: "formatting, vet, linters, generated code", run: (*runner).lint},
		{name: "unit", about: "our packages, and each benchmark once", run: (*runner).unit},
		{name: "sim", about: "a simulated cluster, from seeds", folder: simFolder, run: (*runner).sim},
		{name: "mutants", about: "planted mistakes that the simulation must catch", folder: simFolder, run: (*runner).mutants},
		{
			name: "aws", about: "S3, Kinesis and Lambda, on servers of their own", folder: awsFolder,
			prepare: (*runner).prepareAWS, run: (*runner).aws, beside: true,
		},
		{
			name: "knative", about: "functions behind Knative's queue-proxy", folder: knativeFolder,
			prepare: (*runner).prepareKnative, run: (*runner).knative, beside: true,
		},
		{
			name: "compat", about: "published SDKs against the runtime", folder: compatFolder,
			prepare: (*runner).prepareCompat, run: (*runner).compat,
		},
		{
			name: "crash", about: "the real binary under kill -9", folder: crashFolder,
			prepare: (*runner).prepareCrash, run: (*runner).crash,
		},
		{
			name: "examples", about: "each example from start to end", folder: examplesFolder,
			prepare: (*runner).prepareExamples, run: (*runner).examples,
		},
	}
}

const (
	simFolder      = "runtime/sim"
	compatFolder   = "test/compat"
	awsFolder      = "test/aws"
	knativeFolder  = "test/knative"
	crashFolder    = "test/crash"
	examplesFolder = "examples"
)

func partNames() []string {
	var names []string
	for _, p := range plan() {
		names = append(names, p.name)
	}
	return names
}

// selectParts returns the named parts in the plan's order; "" names all.
func selectParts(names string) ([]part, error) {
	if strings.TrimSpace(names) == "" {
		return plan(), nil
	}
	wanted := strings.FieldsFunc(names, func(c rune) bool { return c == ',' || c == ' ' })
	for _, name := range wanted {
		if !slices.Contains(partNames(), name) {
			return nil, fmt.Errorf("no part is called %q; there are: %s", name, strings.Join(partNames(), ", "))
		}
	}
	return slices.DeleteFunc(plan(), func(p part) bool { return !slices.Contains(wanted, p.name) }), nil
}

func (r *runner) lint(ctx context.Context) {
	r.verdict("formatting", r.quietly(ctx, r.root, r.make(), "-s", "check-format"))
	r.verdict("vet and linters", r.quietly(ctx, r.root, r.make(), "-s", "check-code"))
	if r.exists("buf.gen.yaml") {
		r.verdict("protocol files and generated code", r.quietly(ctx, r.root, r.make(), "-s", "check-proto"))
	}
}

func (r *runner) unit(ctx context.Context) {
	packages, err := r.packages(ctx)
	if err != nil {
		r.verdict("list our packages", err)
		return
	}
	t := goTest{packages: packages.unit, timeout: 8 * time.Minute}
	if r.race(ctx) {
		t.prefix, t.flags = "-race", []string{"-race"}
	}
	r.goTest(ctx, t)
	if len(packages.benchmarks) > 0 {
		r.goTest(ctx, goTest{
			prefix: "benchmarks once", packages: packages.benchmarks, timeout: 5 * time.Minute,
			flags: []string{"-run=^$", "-bench=.", "-benchtime=1x"},
		})
	}
}

// raceSeeds is how many seeds run under the race detector; the simulation runs in one goroutine, so that few are enough.
const raceSeeds = 100

func (r *runner) sim(ctx context.Context) {
	t := goTest{
		packages: []string{"./" + simFolder}, args: []string{seedsFlag(r.seeds)}, fresh: true,
		timeout: max(8*time.Minute, time.Duration(r.seeds)*time.Second),
	}
	r.goTest(ctx, t)
	if r.race(ctx) {
		t.prefix, t.flags, t.args = "-race", []string{"-race"}, []string{seedsFlag(min(r.seeds, raceSeeds))}
		r.goTest(ctx, t)
	}
}

func seedsFlag(n int) string { return fmt.Sprintf("-seeds=%d", n) }

func (r *runner) prepareCompat(ctx context.Context) {
	r.prepareSDKs(ctx)
	r.prepareBinary(ctx)
}

func (r *runner) compat(ctx context.Context) {
	r.withBinary(ctx, goTest{packages: []string{"./" + compatFolder + "/..."}, timeout: 6 * time.Minute})
}

func (r *runner) prepareAWS(ctx context.Context) {
	r.prepareS3(ctx)
	r.prepareKinesis(ctx)
	r.prepareSDKs(ctx)
	r.noteLambda(ctx)
	r.prepareBinary(ctx)
}

func (r *runner) aws(ctx context.Context) {
	r.withBinary(ctx, goTest{packages: []string{"./" + awsFolder + "/..."}, timeout: 8 * time.Minute})
}

// prepareKinesis notes what this machine lacks for Kinesis servers. Tests install the servers themselves, and skip what they cannot install.
func (r *runner) prepareKinesis(ctx context.Context) {
	for _, s := range []struct {
		probe [][]string
		gap   gap
	}{
		{
			[][]string{{"node", "--version"}, {"npm", "--version"}},
			gap{what: "tests on kinesis-local and kinesalite", why: "no node and npm", remedy: "apt-get install nodejs npm"},
		},
		{
			[][]string{{"python3", "-c", "import venv, ensurepip"}},
			gap{what: "tests of Kinesis behind microburst", why: "no python3 with venv", remedy: "apt-get install python3-venv"},
		},
	} {
		if !r.works(ctx, s.probe) && ctx.Err() == nil {
			r.report.miss(s.gap)
		}
	}
}

// prepareS3 builds the S3 server that tests start, so that no test's time goes into that.
func (r *runner) prepareS3(ctx context.Context) {
	if err := r.quietly(ctx, r.root, r.make(), "-s", "versitygw"); err != nil {
		r.verdict("build the S3 server", err)
	}
}

func (r *runner) prepareKnative(ctx context.Context) {
	r.prepareQueueProxy(ctx)
	r.prepareBinary(ctx)
}

func (r *runner) knative(ctx context.Context) {
	r.withBinary(ctx, goTest{packages: []string{"./" + knativeFolder + "/..."}, timeout: 5 * time.Minute})
}

// prepareQueueProxy builds Knative's queue-proxy, and notes if it cannot have a network namespace of its own: then one runs at a time.
func (r *runner) prepareQueueProxy(ctx context.Context) {
	if r.queueProxyDone {
		return
	}
	r.queueProxyDone = true
	if err := r.quietly(ctx, r.root, r.make(), "-s", "queue-proxy"); err != nil {
		r.verdict("build Knative's queue-proxy", err)
	}
	if !r.works(ctx, [][]string{{"go", "run", "./test/harness/netns/init", "probe"}}) && ctx.Err() == nil {
		r.report.miss(gap{
			what: "queue-proxies beside each other", why: "no network namespaces",
			remedy: "Linux with user namespaces allowed (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns=0), or root",
		})
	}
}

func (r *runner) prepareCrash(ctx context.Context) {
	r.prepareS3(ctx)
	r.prepareQueueProxy(ctx)
	r.prepareBinary(ctx)
}

func (r *runner) crash(ctx context.Context) {
	r.withBinary(ctx, goTest{packages: []string{"./" + crashFolder + "/..."}, timeout: 5 * time.Minute})
}

func (r *runner) prepareExamples(ctx context.Context) {
	r.prepareSDKs(ctx)
	r.prepareKinesis(ctx)    // for billing
	r.prepareQueueProxy(ctx) // for fraud-detection
	r.prepareBinary(ctx)
}

func (r *runner) examples(ctx context.Context) {
	r.withBinary(ctx, goTest{packages: []string{"./" + examplesFolder + "/..."}, timeout: 8 * time.Minute})
}

// prepareBinary builds the real binary, once a run; tests find it as STATEWAY_BIN. It is built without the compiler's profile, so that
// what the unit part has compiled serves.
func (r *runner) prepareBinary(ctx context.Context) {
	if r.binaryDone {
		return
	}
	r.binaryDone = true
	if err := r.quietly(ctx, r.root, r.make(), "-s", "build", "PGO=off"); err != nil {
		r.verdict("build the binary", err)
		return
	}
	r.binary = filepath.Join(r.root, "bin", "stateway")
	r.setenv("STATEWAY_BIN", r.binary)
}

// withBinary runs t against the real binary. It is not run if that could not be built.
func (r *runner) withBinary(ctx context.Context, t goTest) {
	if r.binary == "" {
		return
	}
	t.fresh = true
	r.goTest(ctx, t)
}

// ourPackages are the module's packages as the unit part needs them.
type ourPackages struct {
	unit       []string // all but those of the other parts
	benchmarks []string // those of unit that have benchmarks
}

func (r *runner) packages(ctx context.Context) (ourPackages, error) {
	const format = `{{.ImportPath}}{{"\t"}}{{.Dir}}{{range .TestGoFiles}}{{"\t"}}{{.}}{{end}}{{range .XTestGoFiles}}{{"\t"}}{{.}}{{end}}`
	out, err := r.command(ctx, "go", "list", "-e", "-f", format, "./...").Output()
	if err != nil {
		return ourPackages{}, fmt.Errorf("go list ./...: %w", err)
	}
	var found ourPackages
	for line := range bytes.Lines(out) {
		fields := strings.Split(strings.TrimSpace(string(line)), "\t")
		path := shortPackage(fields[0])
		if belongsElsewhere(path) {
			continue
		}
		found.unit = append(found.unit, "./"+path)
		if hasBenchmark(fields[1], fields[2:]) {
			found.benchmarks = append(found.benchmarks, "./"+path)
		}
	}
	return found, nil
}

// belongsElsewhere reports whether another part tests that package.
func belongsElsewhere(path string) bool {
	if path == simFolder {
		return true // Its subfolders are ordinary packages.
	}
	for _, folder := range []string{compatFolder, awsFolder, knativeFolder, crashFolder, examplesFolder} {
		if path == folder || strings.HasPrefix(path, folder+"/") {
			return true
		}
	}
	return false
}
