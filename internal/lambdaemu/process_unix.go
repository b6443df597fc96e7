//go:build unix

package lambdaemu

import (
	"os/exec"
	"syscall"
)

// ownGroup makes the command the head of a process group of its own, so that what it starts ends with it.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func killGroup(pid int)      { _ = syscall.Kill(-pid, syscall.SIGKILL) }
func terminateGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGTERM) }
func stopGroup(pid int)      { _ = syscall.Kill(-pid, syscall.SIGSTOP) }
func continueGroup(pid int)  { _ = syscall.Kill(-pid, syscall.SIGCONT) }
