//go:build !linux

package harness

import (
	"context"
	"syscall"
)

func namespace() (*syscall.SysProcAttr, error) { return nil, errNoNamespace }

func (c QueueProxyConfig) startInNamespace(context.Context, string) (*Process, error) {
	return nil, errNoNamespace
}
