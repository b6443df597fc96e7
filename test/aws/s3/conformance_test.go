// Package s3 tests runtime/checkpoint/s3bucket against a real S3 server, and against faults that no server can be asked for.
package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/buckettest"
	"github.com/stateway/stateway/runtime/checkpoint/s3bucket"
	"github.com/stateway/stateway/test/harness"
)

// server is one S3 server for all tests; each uses a prefix of its own.
var server *harness.VersitygwServer

const bucketName = "stateway"

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "stateway-s3-")
	if err == nil {
		defer os.RemoveAll(dir)
		server, err = harness.StartVersitygw(context.Background(), dir, bucketName)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer server.Kill()
	defer harness.Cleanup()
	return m.Run()
}

var prefixes atomic.Int64

func freshPrefix() string { return fmt.Sprintf("test-%d/deeper", prefixes.Add(1)) }

// options are those of a bucket on the server, empty at first.
func options() s3bucket.Options {
	return s3bucket.Options{Bucket: bucketName, Prefix: freshPrefix(), PathStyle: true, FileBacked: true}
}

// open opens a bucket whose requests pass through the transports, the last one first.
func open(tb testing.TB, opt s3bucket.Options, through ...func(http.RoundTripper) http.RoundTripper) *s3bucket.Bucket {
	tb.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	tb.Cleanup(transport.CloseIdleConnections)
	var rt http.RoundTripper = transport
	for _, wrap := range through {
		rt = wrap(rt)
	}
	cfg := server.Config()
	cfg.HTTPClient = &http.Client{Transport: rt}
	b, err := s3bucket.Open(opt, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// perTest opens buckets of the same options, but with a prefix of its own for each test.
func perTest(opt s3bucket.Options) buckettest.Open {
	prefixes := map[*testing.T]string{}
	return func(t *testing.T) checkpoint.Bucket {
		if prefixes[t] == "" {
			prefixes[t] = freshPrefix()
		}
		own := opt
		own.Prefix = prefixes[t]
		return open(t, own)
	}
}

func TestConformance(t *testing.T) {
	buckettest.Run(t, perTest(options()))
}

func TestConformanceWithSHA256(t *testing.T) {
	opt := options()
	opt.Checksum = "SHA256"
	buckettest.Run(t, perTest(opt))
}

func TestConformanceCounted(t *testing.T) {
	under := perTest(options())
	buckettest.Run(t, func(t *testing.T) checkpoint.Bucket { return checkpoint.Count(under(t)) })
}

// A store that keeps objects as files works without FileBacked too, but for the cutting of logs.
func TestFilesWithoutFileBacked(t *testing.T) {
	opt := options()
	opt.FileBacked = false
	b := open(t, opt)
	ctx := t.Context()
	const folder = "app/control/00000000000000000000"
	if err := b.Create(ctx, folder+"/00000000000000000001", []byte("claim")); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteFolder(ctx, folder); !errors.Is(err, errors.ErrUnsupported) {
		t.Fatalf("delete a folder: %v, want %v", err, errors.ErrUnsupported)
	}
	if got, err := b.Read(ctx, folder+"/00000000000000000001"); err != nil || string(got) != "claim" {
		t.Fatalf("the entry afterwards: %q, %v", got, err)
	}
	if _, err := b.Read(ctx, folder); !errors.Is(err, checkpoint.ErrNotFound) {
		t.Fatalf("read the folder: %v", err)
	}
	if err := b.Delete(ctx, "app"); err != nil {
		t.Fatalf("delete what is only a prefix: %v", err)
	}
	if _, err := b.Read(ctx, folder+"/00000000000000000001/below"); !errors.Is(err, checkpoint.ErrNotFound) {
		t.Fatalf("read below an object: %v", err)
	}
	if err := b.Create(ctx, folder+"/00000000000000000001/below", nil); !errors.Is(err, checkpoint.ErrExists) {
		t.Fatalf("create below an object: %v", err)
	}
}

func TestProbe(t *testing.T) {
	opt := options()
	b := open(t, opt)
	if err := b.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if keys, err := b.List(t.Context(), "", "", 10); err != nil || len(keys) > 0 {
		t.Fatalf("the probe left %q, %v", keys, err)
	}
	total := uint64(0)
	for _, n := range b.Requests() {
		total += n
	}
	if total > 9 {
		t.Errorf("%d requests: %v", total, b.Requests())
	}
	opt.Bucket = "missing"
	wantSetup(t, open(t, opt).Probe(t.Context()), "there is no such bucket: create it")
}

func wantSetup(t *testing.T, err error, text string) {
	t.Helper()
	var setup *s3bucket.SetupError
	if !errors.As(err, &setup) || !strings.Contains(setup.Error(), text) {
		t.Errorf("got error %v, want a SetupError with %q", err, text)
	}
}
