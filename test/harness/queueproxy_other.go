//go:build !linux

package harness

import "syscall"

func namespace() (*syscall.SysProcAttr, error) { return nil, errNoNamespace }

func (c QueueProxyConfig) startInNamespace(string) (*Process, error) {
	return nil, errNoNamespace
}
