package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/stateway/stateway/internal/awsclient"
	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/dirbucket"
	"github.com/stateway/stateway/runtime/checkpoint/s3bucket"
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
	f.StringVar(&l.bucket, "bucket", "", "`URL` of the bucket that holds the checkpoints: file:///DIR, or s3://BUCKET/PREFIX?region=REGION with the options of "+
		"docs/operations.md (default file://$PWD/"+home+"/bucket)")
	f.StringVar(&l.application, "application", defaultApplication, "`name` of the application in the bucket")
}

// place is the bucket that --bucket names.
func (l *location) place() (place, error) {
	if l.bucket == "" {
		dir, err := filepath.Abs(filepath.Join(home, "bucket"))
		return place{dir: dir}, err
	}
	p, err := parsePlace(l.bucket)
	if err != nil {
		return place{}, fmt.Errorf("--bucket %w", err)
	}
	return p, nil
}

// place is a bucket that can be opened: a folder or one in S3.
type place struct {
	dir string            // of a folder; else empty
	s3  *s3bucket.Options // of one in S3; else nil

	calls func(awsclient.Call) // is told of each call to AWS; may be nil
}

// String is the folder, or the URL without options.
func (p place) String() string {
	if p.s3 != nil {
		return p.s3.String()
	}
	return p.dir
}

// parsePlace reads the URL of a bucket. The error begins with the URL.
func parsePlace(raw string) (place, error) {
	if strings.HasPrefix(raw, "s3:") {
		opt, err := s3bucket.ParseURL(raw)
		if err != nil {
			return place{}, fmt.Errorf("%s: %w", withoutPassword(raw), err)
		}
		return place{s3: &opt}, nil
	}
	u, err := url.Parse(raw)
	if err != nil {
		return place{}, fmt.Errorf("%s: %w", raw, err)
	}
	switch {
	case u.Scheme == "":
		return place{}, fmt.Errorf("%s: want a URL: file://%s", raw, absolute(raw))
	case u.Scheme != "file":
		return place{}, fmt.Errorf("%s: want file:///DIR or s3://BUCKET/PREFIX", raw)
	case u.Host != "" && u.Host != "localhost":
		return place{}, fmt.Errorf("%s: want an absolute path behind two slashes: file://%s", raw, absolute(u.Host+u.Path))
	case u.Path == "" || u.Path == "/" || u.RawQuery != "" || u.Fragment != "" || strings.ContainsRune(u.Path, 0):
		return place{}, fmt.Errorf("%s: want file:///DIR, with %%23 for # and %%3F for ?", raw)
	}
	return place{dir: filepath.Clean(u.Path)}, nil
}

// withoutPassword is a URL for a message. One that cannot be parsed is shown up to where a password may stand.
func withoutPassword(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "s3:…"
	}
	return u.Redacted()
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// probeTime bounds the first look at a bucket in S3, tries included.
const probeTime = 30 * time.Second

// open opens the bucket for a node: it makes the folder if that is not there, and finds out whether a bucket in S3 will do.
func (p place) open(ctx context.Context) (checkpoint.Bucket, error) {
	if p.s3 == nil {
		return p.openFolder()
	}
	b, err := p.openS3(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	if err := b.Probe(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// openExisting opens the bucket for a command that only looks: it makes no folder and writes no object.
func (p place) openExisting(ctx context.Context) (checkpoint.Bucket, error) {
	if p.s3 != nil {
		return p.openS3(ctx)
	}
	if _, err := os.Stat(p.dir); err != nil {
		return nil, fmt.Errorf("open bucket: %w; --bucket names another", err)
	}
	return p.openFolder()
}

func (p place) openFolder() (checkpoint.Bucket, error) {
	b, err := dirbucket.Open(p.dir, dirbucket.Options{})
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", p.dir, err)
	}
	return b, nil
}

func (p place) openS3(ctx context.Context) (*s3bucket.Bucket, error) {
	cfg, err := awsclient.Load(ctx, awsclient.Options{Region: p.s3.Region, Endpoint: p.s3.Endpoint, Observe: p.calls})
	if errors.Is(err, awsclient.ErrNoRegion) {
		return nil, usageError(fmt.Errorf("bucket %s: its region is not known: put region=… into the URL, or set AWS_REGION", p))
	}
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", p, err)
	}
	return s3bucket.Open(*p.s3, cfg)
}
