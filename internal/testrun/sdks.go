package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// sdk is one of the published SDKs that the compatibility tests serve functions with. Tests get the names of those that are ready as
// STATEWAY_COMPAT (python,js,java,go) and find what was installed at the places that CONTRIBUTING.md lists.
type sdk struct {
	name   string
	source string     // its folder below test/compat
	probe  [][]string // commands that work if the toolchain is there
	why    string
	remedy string
	// inputs are the files, below source, that what is installed depends on, and fixed text that it does.
	inputs []string
	pins   string
	// install brings it into dir, below STATEWAY_TOOLS. It runs again only when inputs or pins changed.
	install func(ctx context.Context, r *runner, dir, source string) error
}

// pythonPackages are pinned to what was tested together; the SDK itself holds protobuf below 4.
var pythonPackages = []string{"apache-flink-statefun==3.3.0", "aiohttp==3.14.5"}

func allSDKs() []sdk {
	return []sdk{
		{
			name: "python", source: "python", pins: strings.Join(pythonPackages, " "),
			probe: [][]string{{"python3", "-c", "import venv, ensurepip"}},
			why:   "no python3 with venv", remedy: "apt-get install python3-venv",
			install: installPython,
		},
		{
			name: "js", source: "js", inputs: []string{"package.json", "package-lock.json"},
			probe: [][]string{{"node", "--version"}, {"npm", "--version"}},
			why:   "no node and npm", remedy: "apt-get install nodejs npm",
			install: installJS,
		},
		{
			name: "java", source: "java", inputs: []string{"."},
			probe: [][]string{{"javac", "-version"}, {"java", "-version"}, {"mvn", "--version"}},
			why:   "no JDK and Maven", remedy: "apt-get install default-jdk-headless maven",
			install: installJava,
		},
		{
			name: "go", source: "go", inputs: []string{"."},
			probe:   [][]string{{"go", "version"}},
			install: installGo,
		},
	}
}

// prepareSDKs installs what the toolchains of this machine allow, once a run, and tells tests by STATEWAY_COMPAT.
func (r *runner) prepareSDKs(ctx context.Context) {
	if r.sdksDone || !r.exists(compatFolder) {
		return
	}
	r.sdksDone = true
	for _, s := range allSDKs() {
		source := filepath.Join(r.root, compatFolder, s.source)
		if _, err := os.Stat(source); err != nil {
			continue
		}
		if !r.works(ctx, s.probe) {
			r.report.miss(gap{what: "tests with the " + s.name + " SDK", why: s.why, remedy: s.remedy})
			continue
		}
		if err := r.installSDK(ctx, s, source); err != nil {
			r.verdict("install the "+s.name+" SDK", err)
			continue
		}
		r.sdks = append(r.sdks, s.name)
	}
	r.setenv("STATEWAY_COMPAT", strings.Join(r.sdks, ","))
}

func (r *runner) works(ctx context.Context, probes [][]string) bool {
	for _, probe := range probes {
		if r.command(ctx, probe[0], probe[1:]...).Run() != nil {
			return false
		}
	}
	return true
}

// installSDK installs s unless a stamp says that exactly this was installed before.
func (r *runner) installSDK(ctx context.Context, s sdk, source string) error {
	dir := filepath.Join(r.tools, "compat", s.name)
	stamp, err := stampOf(s, source)
	if err != nil {
		return err
	}
	stampFile := filepath.Join(dir, "stamp")
	if old, err := os.ReadFile(stampFile); err == nil && string(old) == stamp && installedInTree(s, source) {
		return nil
	}
	fmt.Fprintf(r.w, "      installing the %s SDK, once\n", s.name)
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("empty %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make a folder for the SDK: %w", err)
	}
	if err := s.install(ctx, r, dir, source); err != nil {
		return err
	}
	return os.WriteFile(stampFile, []byte(stamp), 0o600)
}

// installedInTree is false if npm's folder, which lies beside the sources and not below STATEWAY_TOOLS, is gone.
func installedInTree(s sdk, source string) bool {
	if s.name != "js" {
		return true
	}
	_, err := os.Stat(filepath.Join(source, "node_modules"))
	return err == nil
}

// stampOf is a hash of all that decides what gets installed.
func stampOf(s sdk, source string) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, s.pins)
	for _, input := range s.inputs {
		err := filepath.WalkDir(filepath.Join(source, input), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() {
				if entry.Name() == "target" || entry.Name() == "node_modules" {
					return fs.SkipDir
				}
				return nil
			}
			text, err := os.ReadFile(path)
			fmt.Fprintf(sum, "%s %d\n%s", path, len(text), text)
			return err
		})
		if err != nil {
			return "", fmt.Errorf("read %s, which the %s SDK's installation depends on: %w", input, s.name, err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func installPython(ctx context.Context, r *runner, dir, _ string) error {
	if err := r.quietly(ctx, dir, "python3", "-m", "venv", dir); err != nil {
		return err
	}
	pip := []string{"-m", "pip", "install", "--quiet", "--disable-pip-version-check"}
	return r.quietly(ctx, dir, filepath.Join(dir, "bin", "python3"), append(pip, pythonPackages...)...)
}

func installJS(ctx context.Context, r *runner, _, source string) error {
	return r.quietly(ctx, source, "npm", "ci", "--no-audit", "--no-fund", "--loglevel=error")
}

func installJava(ctx context.Context, r *runner, dir, source string) error {
	jars := filepath.Join(dir, "lib")
	err := r.quietly(ctx, source, "mvn", "-q", "-B", "-f", filepath.Join(source, "pom.xml"), "dependency:copy-dependencies",
		"-DoutputDirectory="+jars, "-DincludeScope=runtime")
	if err != nil {
		return err
	}
	var sources []string
	err = filepath.WalkDir(filepath.Join(source, "src"), func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".java" {
			sources = append(sources, path)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("look for the Java sources: %w", err)
	}
	args := []string{"-nowarn", "-cp", filepath.Join(jars, "*"), "-d", filepath.Join(dir, "classes")}
	return r.quietly(ctx, source, "javac", append(args, sources...)...)
}

func installGo(ctx context.Context, r *runner, dir, source string) error {
	return r.quietly(ctx, source, "go", "build", "-o", filepath.Join(dir, "server"), ".")
}
