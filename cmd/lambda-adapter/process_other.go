//go:build !unix

package main

import "os/exec"

// AWS Lambda is Linux; elsewhere the adapter only has to compile.

func ownGroup(*exec.Cmd) {}

func terminate(cmd *exec.Cmd) { kill(cmd) }

func kill(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
