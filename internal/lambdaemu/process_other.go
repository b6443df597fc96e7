//go:build !unix

package lambdaemu

import (
	"os"
	"os/exec"
)

func ownGroup(*exec.Cmd) {}

func killGroup(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
	}
}

func terminateGroup(pid int) { killGroup(pid) }
func stopGroup(int)          {}
func continueGroup(int)      {}
