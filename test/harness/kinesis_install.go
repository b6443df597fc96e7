package harness

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// MissingToolError tells that a test cannot run here, for lack of a toolchain.
type MissingToolError struct {
	What   string // what is not there
	Remedy string // the command that gets it
}

// Error says what is missing and how to get it.
func (e *MissingToolError) Error() string {
	return fmt.Sprintf("no %s here; to get it: %s", e.What, e.Remedy)
}

// kinesisTools is the folder that holds the lock files of what this file installs, from the top of the repository.
const kinesisTools = "tools/kinesis"

// installKinesisServers installs what package-lock.json pins, unless that was done, and returns the folder of node_modules.
func installKinesisServers(ctx context.Context) (string, error) {
	i := installation{
		name: "kinesis/npm", program: "node", source: kinesisTools, inputs: []string{"package.json", "package-lock.json"},
		probes:  [][]string{{"node", "--version"}, {"npm", "--version"}},
		missing: MissingToolError{What: "node and npm", Remedy: "apt-get install nodejs npm"},
	}
	return i.run(ctx, func(dir string) [][]string {
		return [][]string{{"npm", "ci", "--prefix", dir, "--no-audit", "--no-fund", "--loglevel=error"}}
	})
}

// installation is something that a package manager installs into a folder of its own below the folder of tools.
type installation struct {
	name    string     // its folder, without the hash of the inputs
	program string     // that runs what is installed
	source  string     // the inputs' folder, from the top of the repository
	inputs  []string   // files that decide what is installed
	probes  [][]string // commands that work if the toolchain is there
	missing MissingToolError
}

// run installs with the commands, unless these inputs were installed before, and returns the folder. Of several processes one installs,
// and the others wait.
func (i installation) run(ctx context.Context, commands func(dir string) [][]string) (string, error) {
	texts, hash, err := i.read()
	if err != nil {
		return "", err
	}
	tools, err := Tools()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(tools, filepath.FromSlash(i.name)+"-"+hash)
	if err := os.MkdirAll(filepath.Dir(dir), 0o750); err != nil {
		return "", err
	}
	unlock, err := lockFile(dir + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	done := filepath.Join(dir, "installed")
	if _, err := exec.LookPath(i.program); err != nil {
		return "", &i.missing
	}
	if _, err := os.Stat(done); err == nil {
		return dir, nil
	}
	for _, probe := range i.probes {
		if exec.CommandContext(ctx, probe[0], probe[1:]...).Run() != nil {
			return "", &i.missing
		}
	}
	if err := i.write(dir, texts); err != nil {
		return "", err
	}
	for _, c := range commands(dir) {
		if out, err := exec.CommandContext(ctx, c[0], c[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("install %s, pinned in %s: %v: %w\n%s", i.name, i.source, c, err, out)
		}
	}
	return dir, os.WriteFile(done, nil, 0o600)
}

// read gives the inputs and a hash of them.
func (i installation) read() (map[string][]byte, string, error) {
	root, err := Root()
	if err != nil {
		return nil, "", err
	}
	texts, sum := map[string][]byte{}, sha256.New()
	for _, name := range i.inputs {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(i.source), name))
		if err != nil {
			return nil, "", err
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
		texts[name] = text
	}
	return texts, hex.EncodeToString(sum.Sum(nil))[:12], nil
}

// write copies the inputs into an empty folder.
func (i installation) write(dir string, texts map[string][]byte) error {
	if err := os.RemoveAll(dir); err != nil { // what an interrupted installation left
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}
