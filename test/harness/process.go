package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Spec says how to start a process.
type Spec struct {
	Name string   // in messages
	Path string   // the program
	Args []string // without the program's name
	Dir  string   // the working folder; empty means the caller's
	Env  []string // KEY=value, added to the caller's environment
	// Output gets a copy of everything that the process writes; nil means only the tail is kept.
	Output io.Writer

	attributes *syscall.SysProcAttr // nil means a process group of its own
	files      []*os.File           // that the process inherits, from number 3 on
}

// Process is a running or ended process.
type Process struct {
	spec   Spec
	cmd    *exec.Cmd
	output *tail
	ended  chan struct{} // closed when the process has ended and its output is read
	err    error         // how it ended; read only after ended is closed
}

// Start starts a process in a process group of its own, so that a signal for the caller's terminal does not reach it.
func Start(spec Spec) (*Process, error) {
	p := &Process{spec: spec, output: newTail(spec.Output), ended: make(chan struct{})}
	p.cmd = exec.Command(spec.Path, spec.Args...)
	p.cmd.Dir = spec.Dir
	p.cmd.Env = append(os.Environ(), spec.Env...)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.SysProcAttr, p.cmd.ExtraFiles = spec.attributes, spec.files
	if spec.attributes == nil {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	p.cmd.WaitDelay = 2 * time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		p.output.close()
		close(p.ended)
	}()
	return p, nil
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Name returns the name given in the Spec.
func (p *Process) Name() string { return p.spec.Name }

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Alive reports whether the process has not ended yet.
func (p *Process) Alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Kill ends the process with SIGKILL and waits until it is gone. A process that has ended already is fine.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it fails only if the process has ended
	<-p.ended
}

// Stop asks the process to end with SIGTERM and waits. After patience it kills the process and returns an error; it also does so when the
// process ends with a code other than 0.
func (p *Process) Stop(patience time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.spec.Name, err)
	}
	select {
	case <-p.ended:
		return p.Err()
	case <-time.After(patience):
		p.Kill()
		return fmt.Errorf("%s did not end within %s of SIGTERM; killed", p.spec.Name, patience)
	}
}

// Err waits for the end and returns nil for exit code 0, else an error with the last output.
func (p *Process) Err() error {
	<-p.ended
	if p.err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w\n%s", p.spec.Name, p.err, p.Output())
}

// ExitCode waits for the end and returns the exit code, -1 if a signal ended the process.
func (p *Process) ExitCode() int {
	<-p.ended
	return p.cmd.ProcessState.ExitCode()
}

// Output returns the last 64 KiB that the process wrote.
func (p *Process) Output() string { return p.output.String() }

// WaitOutput waits until the process has written text.
func (p *Process) WaitOutput(ctx context.Context, text string) error {
	for {
		seen, changed := p.output.look(text)
		if seen {
			return nil
		}
		select {
		case <-changed:
		case <-p.ended:
			if seen, _ := p.output.look(text); seen {
				return nil
			}
			return fmt.Errorf("%s ended before it wrote %q: %w\n%s", p.spec.Name, text, p.err, p.Output())
		case <-ctx.Done():
			return fmt.Errorf("wait until %s writes %q: %w\n%s", p.spec.Name, text, ctx.Err(), p.Output())
		}
	}
}

const tailSize = 64 << 10

// tail keeps the end of what is written to it.
type tail struct {
	mu      sync.Mutex
	buf     []byte        // guarded by mu
	changed chan struct{} // guarded by mu: closed and replaced at each write
	copyTo  io.Writer     // guarded by mu while writing
}

func newTail(copyTo io.Writer) *tail { return &tail{changed: make(chan struct{}), copyTo: copyTo} }

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if len(t.buf) > 2*tailSize {
		t.buf = bytes.Clone(t.buf[len(t.buf)-tailSize:])
	}
	close(t.changed)
	t.changed = make(chan struct{})
	if t.copyTo != nil {
		if _, err := t.copyTo.Write(b); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

func (t *tail) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.changed)
	t.changed = make(chan struct{})
}

// look reports whether text was written, and the channel that is closed at the next write.
func (t *tail) look(text string) (bool, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Contains(t.buf, []byte(text)), t.changed
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.buf[max(0, len(t.buf)-tailSize):]))
}
