package lambdaemu

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

// process is an environment of a bootstrap: its processes, and the Runtime API that they talk to.
type process struct {
	f      *function
	began  time.Time
	cmd    *exec.Cmd        // set by run
	work   chan *invocation // room for one
	ending chan struct{}

	mu       sync.Mutex // never held while f is called
	pid      int        // of the process group; zero while there is none
	ready    bool       // it has asked for work
	current  *invocation
	complain *answer // what the bootstrap said of its start
	grace    bool    // an extension wants SIGTERM
	ended    bool    // ending is closed
	frozen   bool
}

func newProcess(f *function) *process {
	p := &process{f: f, began: time.Now(), work: make(chan *invocation, 1), ending: make(chan struct{})}
	go p.run()
	return p
}

func (p *process) give(inv *invocation) {
	p.work <- inv // first, so that nobody freezes from now on
	p.mu.Lock()
	defer p.mu.Unlock()
	p.thawLocked()
}

func (p *process) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.ended = true
		close(p.ending)
	}
}

// freezeLocked stops the processes: when they have asked for work and there is none.
func (p *process) freezeLocked() {
	if p.f.Freeze && !p.frozen && p.pid != 0 && !p.ended && len(p.work) == 0 {
		p.frozen = true
		stopGroup(p.pid)
	}
}

func (p *process) thawLocked() {
	if p.frozen {
		p.frozen = false
		continueGroup(p.pid)
	}
}

// grace is how long an environment with an extension may take to end after SIGTERM, as on Lambda.
const grace = 2 * time.Second

// run lives as long as the environment.
func (p *process) run() {
	defer p.f.gone(p)
	select {
	case <-time.After(p.f.Start):
	case <-p.ending:
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.fail(err)
		return
	}
	api := &http.Server{Handler: p.api(), ReadHeaderTimeout: time.Minute}
	go func() { _ = api.Serve(listener) }()
	defer func() { _ = api.Close() }()
	defer killBelonging(apiVariable + listener.Addr().String())
	if err := p.start(listener.Addr().String()); err != nil {
		p.fail(err)
		return
	}
	ended := make(chan string, 1)
	go func() { ended <- p.wait() }()
	p.watch(ended)
}

// fail ends an environment whose processes could not be started.
func (p *process) fail(err error) {
	p.mu.Lock()
	p.complain = new(functionError("Runtime.InvalidEntrypoint", err.Error()))
	p.mu.Unlock()
	p.left("")
}

func (p *process) start(api string) error {
	p.cmd = exec.Command(p.f.Command[0], p.f.Command[1:]...) //nolint:gosec // the function that the emulator was given
	p.cmd.Dir = p.f.Dir
	p.cmd.Env = p.environ(api)
	p.cmd.Stdout, p.cmd.Stderr = p.f.log, p.f.log
	p.cmd.WaitDelay = time.Second // for the output of what a bootstrap has left behind
	ownGroup(p.cmd)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.pid = p.cmd.Process.Pid
	return nil
}

// apiVariable tells a bootstrap, and what it starts, where the Runtime API is. Each environment has one of its own.
const apiVariable = "AWS_LAMBDA_RUNTIME_API="

// environ is what a bootstrap finds in its environment.
func (p *process) environ(api string) []string {
	dir := p.f.Dir
	if dir == "" {
		dir, _ = os.Getwd()
	}
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LANG=en_US.UTF-8", "TZ=:UTC",
		apiVariable + api,
		"AWS_LAMBDA_FUNCTION_NAME=" + p.f.Name, "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(p.f.Memory),
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/" + p.f.Name, "AWS_LAMBDA_LOG_STREAM_NAME=" + fmt.Sprintf("[$LATEST]%016x", p.began.UnixNano()),
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",
		"LAMBDA_TASK_ROOT=" + dir, "LAMBDA_RUNTIME_DIR=" + dir, "_HANDLER=" + p.f.HandlerName,
	}
	return append(env, p.f.Env...)
}

// wait waits for the bootstrap's end and returns how it ended; empty means of its own will.
func (p *process) wait() string {
	if err := p.cmd.Wait(); err != nil {
		return err.Error()
	}
	return ""
}

// watch waits until the environment is to end or has ended, and looks at its memory meanwhile.
func (p *process) watch(ended <-chan string) {
	late := time.NewTimer(initTimeout)
	defer late.Stop()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	reason := ""
	for {
		select {
		case how := <-ended:
			killGroup(p.cmd.Process.Pid)
			if reason == "" {
				reason = how
			}
			p.left(reason)
			return
		case <-late.C:
			if p.starts() {
				reason = "it did not ask for work within " + initTimeout.String()
				killGroup(p.cmd.Process.Pid)
			}
		case <-look.C:
			if p.overMemory() {
				reason = "signal: killed"
				killGroup(p.cmd.Process.Pid)
			}
		case <-p.ending:
			p.terminate(ended)
			p.left("")
			return
		}
	}
}

func (p *process) starts() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.ready
}

// overMemory reports whether the processes hold more than they may. An environment that rests is not looked at.
func (p *process) overMemory() bool {
	p.mu.Lock()
	resting := p.current == nil
	p.mu.Unlock()
	return !resting && resident(p.cmd.Process.Pid) > int64(p.f.Memory)<<20
}

// terminate ends the processes, those with an extension by SIGTERM first.
func (p *process) terminate(ended <-chan string) {
	p.mu.Lock()
	p.thawLocked()
	gently := p.grace
	p.mu.Unlock()
	if gently {
		terminateGroup(p.cmd.Process.Pid)
		select {
		case <-ended:
			killGroup(p.cmd.Process.Pid)
			return
		case <-time.After(grace):
		}
	}
	killGroup(p.cmd.Process.Pid)
	<-ended
}

// left finishes what the environment leaves behind.
func (p *process) left(reason string) {
	p.mu.Lock()
	inv, ready, complaint := p.current, p.ready, p.complain
	p.current, p.pid = nil, 0
	p.mu.Unlock()
	p.end()
	if inv != nil {
		p.f.lost(inv, exited(inv.id, "", reason))
	}
	p.f.forget(p)
	select {
	case inv = <-p.work:
	default:
		return
	}
	switch {
	case ready: // it ended between two invocations
		p.f.again(inv)
	case complaint != nil:
		p.f.lost(inv, *complaint)
	default:
		p.f.lost(inv, exited(inv.id, "", reason))
	}
}
