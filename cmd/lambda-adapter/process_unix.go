//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// ownGroup puts the command and what it starts into a process group of their own, so that signals reach all of them: the
// shell between may or may not be there.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func terminate(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }

func kill(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
