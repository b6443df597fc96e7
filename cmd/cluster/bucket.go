package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/dirbucket"
)

const (
	home               = ".stateway" // below the working directory
	defaultApplication = "default"
)

// location says where an application's past lies.
type location struct {
	bucket      string // URL; empty means the default
	application string
}

func (l *location) flags(f *pflag.FlagSet) {
	f.StringVar(&l.bucket, "bucket", "", "`URL` of the bucket that holds the checkpoints: file:///DIR (default file://$PWD/"+home+"/bucket)")
	f.StringVar(&l.application, "application", defaultApplication, "`name` of the application in the bucket")
}

// folder is the bucket's folder.
func (l *location) folder() (string, error) {
	if l.bucket == "" {
		return filepath.Abs(filepath.Join(home, "bucket"))
	}
	u, err := url.Parse(l.bucket)
	if err != nil {
		return "", fmt.Errorf("--bucket %s: %w", l.bucket, err)
	}
	switch {
	case u.Scheme == "":
		return "", fmt.Errorf("--bucket %s: want a URL: file://%s", l.bucket, absolute(l.bucket))
	case u.Scheme != "file":
		return "", fmt.Errorf("--bucket %s: this version keeps checkpoints in a folder only: file:///DIR", l.bucket)
	case u.Host != "" && u.Host != "localhost":
		return "", fmt.Errorf("--bucket %s: want an absolute path behind two slashes: file://%s", l.bucket, absolute(u.Host+u.Path))
	case u.Path == "" || u.Path == "/" || u.RawQuery != "" || u.Fragment != "" || strings.ContainsRune(u.Path, 0):
		return "", fmt.Errorf("--bucket %s: want file:///DIR, with %%23 for # and %%3F for ?", l.bucket)
	}
	return filepath.Clean(u.Path), nil
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// open opens the bucket and makes its folder if that is not there.
func (l *location) open() (checkpoint.Bucket, error) {
	dir, err := l.folder()
	if err != nil {
		return nil, usageError(err)
	}
	b, err := dirbucket.Open(dir, dirbucket.Options{})
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", dir, err)
	}
	return b, nil
}

// openExisting opens the bucket, which must be there: a command that only looks makes no folder.
func (l *location) openExisting() (checkpoint.Bucket, error) {
	dir, err := l.folder()
	if err != nil {
		return nil, usageError(err)
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("open bucket: %w; --bucket names another", err)
	}
	return l.open()
}
