package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sync/errgroup"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
)

const (
	restoredShards = 64
	restoredFile   = 8 << 20 // bytes of each of the two files of a base: together 1 GiB
	connections    = 4       // as many as a node restores shards at a time
)

// BenchmarkRestore compares the restore of 1 GiB of bases with a plain download of the same objects into files, which are synced as those of
// a restore, and with one that leaves them in the machine's memory. Run it with -benchtime 3x.
func BenchmarkRestore(b *testing.B) {
	opt := options()
	bucket := open(b, opt)
	app, err := checkpoint.CreateApplication(b.Context(), bucket, "app", restoredShards, checkpoint.Options{
		Random: rand.Reader, Clock: func() time.Duration { return 0 },
	})
	if err != nil {
		b.Fatal(err)
	}
	bases := uploadBases(b, app)
	for b.Loop() {
		restored := timed(b, func(ctx context.Context, dir string, base *checkpoint.Base) error {
			return app.RestoreBase(ctx, base, vfs.Default, dir)
		}, bases)
		synced := timed(b, plainDownload(b, opt.Prefix, (*os.File).Sync), bases)
		plain := timed(b, plainDownload(b, opt.Prefix, func(*os.File) error { return nil }), bases)
		b.ReportMetric(restored.Seconds(), "restore-s")
		b.ReportMetric(synced.Seconds(), "synced-download-s")
		b.ReportMetric(plain.Seconds(), "download-s")
		b.ReportMetric(restored.Seconds()/synced.Seconds(), "restore/synced-download")
	}
}

// uploadBases makes a base of noise for each shard.
func uploadBases(b *testing.B, app *checkpoint.Application) []*checkpoint.Base {
	b.Helper()
	dir, noise := b.TempDir(), mathrand.NewChaCha8([32]byte{7})
	body := make([]byte, restoredFile)
	var bases []*checkpoint.Base
	for shard := range restoredShards {
		var names []string
		for i := range 2 {
			_, _ = noise.Read(body) // never fails
			names = append(names, fmt.Sprintf("%06d.sst", 2*shard+i))
			if err := os.WriteFile(filepath.Join(dir, names[i]), body, 0o600); err != nil {
				b.Fatal(err)
			}
		}
		base, err := app.UploadBase(b.Context(), 1, checkpoint.BaseSource{
			Shard: core.ShardID(shard), Checkpoint: 1, Format: 1, FS: vfs.Default, Dir: dir,
		}, nil)
		if err != nil {
			b.Fatal(err)
		}
		for _, name := range names {
			_ = os.Remove(filepath.Join(dir, name)) // only space
		}
		bases = append(bases, base)
	}
	return bases
}

// timed fetches all bases, a few at a time, each into a folder of its own, and tells how long that took.
func timed(b *testing.B, fetch func(ctx context.Context, dir string, base *checkpoint.Base) error, bases []*checkpoint.Base) time.Duration {
	b.Helper()
	root, err := os.MkdirTemp(b.TempDir(), "")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(root)
	began := time.Now()
	group, ctx := errgroup.WithContext(b.Context())
	group.SetLimit(connections)
	for i, base := range bases {
		group.Go(func() error { return fetch(ctx, filepath.Join(root, fmt.Sprint(i)), base) })
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// plainDownload copies whole objects into files, checks nothing, and ends each file with a call of finish.
func plainDownload(b *testing.B, prefix string, finish func(*os.File) error) func(context.Context, string, *checkpoint.Base) error {
	cfg := server.Config()
	cfg.HTTPClient = &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	client := awss3.NewFromConfig(cfg, func(o *awss3.Options) {
		o.UsePathStyle, o.ResponseChecksumValidation = true, aws.ResponseChecksumValidationWhenRequired
	})
	b.Cleanup(cfg.HTTPClient.(*http.Client).CloseIdleConnections)
	return func(ctx context.Context, dir string, base *checkpoint.Base) error {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return err
		}
		for _, f := range base.Files {
			out, err := client.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String(bucketName), Key: aws.String(prefix + "/app/" + f.Object + "!")})
			if err != nil {
				return err
			}
			w, err := os.Create(filepath.Join(dir, f.File))
			if err == nil {
				_, err = io.Copy(w, out.Body)
				err = errors.Join(err, finish(w), w.Close())
			}
			_ = out.Body.Close()
			if err != nil {
				return err
			}
		}
		return nil
	}
}
