package main

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sync/errgroup"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/s3bucket"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/test/harness"
)

// The row restore-s3: together 1 GiB.
const (
	restoredShards     = 64
	restoredFile       = 8 << 20 // bytes of each of the two files of a base
	restoreConnections = 4       // bases that are fetched at a time, in restore and download alike
	restoreBucket      = "stateway"
	restorePrefix      = "bench"
	restoreApp         = "app"
)

// fetch gets a base's files into a folder that is not there yet.
type fetch func(ctx context.Context, dir string, base *checkpoint.Base) error

// measureRestore restores the bases of 64 shards from a versitygw, and downloads the same objects with a plain client and as many
// connections: once into files that are synced, as a restore's are, and once into files that the system writes when it likes.
func measureRestore(ctx context.Context, b *bench) (values, error) {
	dir, err := os.MkdirTemp(b.dir, "restore-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a leftover in the temporary folder hurts nobody
	server, err := harness.StartVersitygw(ctx, filepath.Join(dir, "s3"), restoreBucket)
	if err != nil {
		return nil, err
	}
	defer server.Kill()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	cfg := server.Config()
	cfg.HTTPClient = &http.Client{Transport: transport}
	bucket, err := s3bucket.Open(s3bucket.Options{Bucket: restoreBucket, Prefix: restorePrefix, PathStyle: true, FileBacked: true}, cfg)
	if err != nil {
		return nil, err
	}
	app, err := checkpoint.CreateApplication(ctx, bucket, restoreApp, restoredShards, checkpoint.Options{
		Random: crand.Reader, Clock: func() time.Duration { return 0 },
	})
	if err != nil {
		return nil, err
	}
	bases, err := uploadBases(ctx, app, filepath.Join(dir, "upload"))
	if err != nil {
		return nil, err
	}
	return compareFetches(ctx, dir, bases, map[string]fetch{
		restoreSeconds: func(ctx context.Context, dir string, base *checkpoint.Base) error {
			return app.RestoreBaseFiles(ctx, base, syncedFiles(dir))
		},
		syncedSeconds:   plainDownload(cfg, (*os.File).Sync),
		unsyncedSeconds: plainDownload(cfg, func(*os.File) error { return nil }),
	})
}

// compareFetches runs each fetch twice, in turns, and takes the faster one: the first of all reads the objects with a cold cache.
func compareFetches(ctx context.Context, dir string, bases []*checkpoint.Base, fetches map[string]fetch) (values, error) {
	v := values{}
	for range 2 {
		for _, name := range []string{restoreSeconds, syncedSeconds, unsyncedSeconds} {
			took, err := fetchAll(ctx, filepath.Join(dir, "fetched"), fetches[name], bases)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if best, ok := v[name]; !ok || took.Seconds() < best {
				v[name] = took.Seconds()
			}
		}
	}
	v[seconds] = v[restoreSeconds]
	v.ratio(restoreRatio, v[restoreSeconds], v[syncedSeconds])
	v.ratio(restoreUnsyncedRatio, v[restoreSeconds], v[unsyncedSeconds])
	v.ratio(megabytesPerSecond, 2*restoredShards*restoredFile/1e6, v[restoreSeconds])
	return v, nil
}

// uploadBases makes a base of noise for each shard.
func uploadBases(ctx context.Context, app *checkpoint.Application, dir string) ([]*checkpoint.Base, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	noise, body := rand.NewChaCha8([32]byte{7}), make([]byte, restoredFile)
	var bases []*checkpoint.Base
	for shard := range core.ShardID(restoredShards) {
		var files []string
		for i := range 2 {
			_, _ = noise.Read(body) // never fails
			files = append(files, filepath.Join(dir, fmt.Sprintf("%06d.sst", 2*int(shard)+i)))
			if err := os.WriteFile(files[i], body, 0o600); err != nil {
				return nil, err
			}
		}
		base, err := app.UploadBase(ctx, 1, checkpoint.BaseSource{Shard: shard, Checkpoint: 1, Format: 1, FS: vfs.Default, Dir: dir}, nil)
		if err != nil {
			return nil, err
		}
		for _, name := range files {
			if err := os.Remove(name); err != nil { // the next base is what lies in the folder
				return nil, err
			}
		}
		bases = append(bases, base)
	}
	return bases, nil
}

// fetchAll fetches all bases, a few at a time, each into a folder of its own below root, tells how long that took and deletes them.
func fetchAll(ctx context.Context, root string, f fetch, bases []*checkpoint.Base) (time.Duration, error) {
	if err := os.MkdirAll(root, 0o750); err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(root) }() // a leftover in the temporary folder hurts nobody
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(restoreConnections)
	for i, base := range bases {
		group.Go(func() error { return f(ctx, filepath.Join(root, strconv.Itoa(i)), base) })
	}
	err := group.Wait()
	return time.Since(began), err
}

// plainDownload copies whole objects into files, checks nothing, and ends each file with a call of finish.
func plainDownload(cfg aws.Config, finish func(*os.File) error) fetch {
	client := awss3.NewFromConfig(cfg, func(o *awss3.Options) {
		o.UsePathStyle, o.ResponseChecksumValidation = true, aws.ResponseChecksumValidationWhenRequired
	})
	return func(ctx context.Context, dir string, base *checkpoint.Base) error {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return err
		}
		for _, f := range base.Files {
			key := restorePrefix + "/" + restoreApp + "/" + f.Object + "!" // the mark of a bucket that is backed by files
			if err := download(ctx, client, key, filepath.Join(dir, f.File), finish); err != nil {
				return err
			}
		}
		return nil
	}
}

func download(ctx context.Context, client *awss3.Client, key, path string, finish func(*os.File) error) error {
	out, err := client.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String(restoreBucket), Key: aws.String(key)})
	if err != nil {
		return fmt.Errorf("download %s: %w", key, err)
	}
	defer out.Body.Close()
	w, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, out.Body)
	return errors.Join(err, finish(w), w.Close())
}

// syncedFiles makes the files of a base as a shard's store does: durable when they are closed.
func syncedFiles(dir string) func(name string) (io.WriteCloser, error) {
	return func(name string) (io.WriteCloser, error) {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return nil, err
		}
		f, err := os.Create(filepath.Join(dir, name))
		return syncedFile{f}, err
	}
}

type syncedFile struct{ *os.File }

func (f syncedFile) Close() error { return errors.Join(f.Sync(), f.File.Close()) }
