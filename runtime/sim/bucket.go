package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/stateway/stateway/runtime/checkpoint"
)

var errBucket = errors.New("the bucket does not answer")

// bucket is a process's way to the bucket. A request takes no virtual time itself; who makes it waits before.
type bucket struct {
	s *Sim
	p *process
}

var _ checkpoint.Bucket = (*bucket)(nil)

// bucketDelay is how long a request takes.
func (s *Sim) bucketDelay() int64 {
	if s.faulty(s.profile.bucketSlow) {
		s.count(BucketSlow)
		return s.spread(400_000)
	}
	return 500 + s.spread(4_000)
}

// backoff is the pause before the next try of something of the bucket's.
func (s *Sim) backoff() int64 { return 5_000 + s.spread(40_000) }

// out reports whether a request does not arrive.
func (b *bucket) out() bool {
	if b.s.now < b.s.outage {
		return true
	}
	if b.s.faulty(b.s.profile.bucketFailed) {
		b.s.count(BucketFailed)
		return true
	}
	return false
}

func (b *bucket) lost() bool {
	if b.s.faulty(b.s.profile.bucketLost) {
		b.s.count(BucketLost)
		return true
	}
	return false
}

// Create implements checkpoint.Bucket.
func (b *bucket) Create(ctx context.Context, key string, body []byte) error {
	if b.out() {
		b.late(key, body)
		return fmt.Errorf("create %s: %w: %w", key, checkpoint.ErrUnknownOutcome, errBucket)
	}
	err := b.s.bucket.Create(ctx, key, body)
	if b.lost() {
		return fmt.Errorf("create %s: %w: %w", key, checkpoint.ErrUnknownOutcome, errBucket)
	}
	return err
}

// late has a create that was given up arrive later, perhaps.
func (b *bucket) late(key string, body []byte) {
	if !b.s.faulty(b.s.profile.bucketLate) {
		return
	}
	own := bytes.Clone(body)
	b.s.after(b.s.spread(300_000), func() {
		if err := b.s.bucket.Create(context.Background(), key, own); err == nil {
			b.s.count(BucketLateCreate)
		}
	})
}

// CreateFrom implements checkpoint.Bucket.
func (b *bucket) CreateFrom(ctx context.Context, key string, body io.ReaderAt, size int64) error {
	own := make([]byte, size)
	if _, err := body.ReadAt(own, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return b.Create(ctx, key, own)
}

// Read implements checkpoint.Bucket.
func (b *bucket) Read(ctx context.Context, key string) ([]byte, error) {
	if b.out() || b.lost() {
		return nil, fmt.Errorf("read %s: %w", key, errBucket)
	}
	return b.s.bucket.Read(ctx, key)
}

// ReadRange implements checkpoint.Bucket.
func (b *bucket) ReadRange(ctx context.Context, key string, off, n int64) ([]byte, error) {
	if b.out() || b.lost() {
		return nil, fmt.Errorf("read %s: %w", key, errBucket)
	}
	return b.s.bucket.ReadRange(ctx, key, off, n)
}

// ReadTo implements checkpoint.Bucket.
func (b *bucket) ReadTo(ctx context.Context, key string, off, n int64, w io.Writer) error {
	if b.out() || b.lost() {
		return fmt.Errorf("read %s: %w", key, errBucket)
	}
	return b.s.bucket.ReadTo(ctx, key, off, n, w)
}

// List implements checkpoint.Bucket.
func (b *bucket) List(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	if b.out() || b.lost() {
		return nil, fmt.Errorf("list %s: %w", prefix, errBucket)
	}
	behind := 0
	if b.s.faulty(b.s.profile.staleList) {
		b.s.count(StaleList)
		behind = b.s.rng.IntN(64)
	}
	return b.s.bucket.ListBehind(ctx, prefix, after, limit, behind)
}

// Delete implements checkpoint.Bucket.
func (b *bucket) Delete(ctx context.Context, key string) error {
	if b.out() {
		return fmt.Errorf("delete %s: %w", key, errBucket)
	}
	err := b.s.bucket.Delete(ctx, key)
	if b.lost() {
		return fmt.Errorf("delete %s: %w", key, errBucket)
	}
	return err
}

// DeleteFolder implements checkpoint.Bucket.
func (b *bucket) DeleteFolder(ctx context.Context, folder string) error {
	if b.out() {
		return fmt.Errorf("delete %s: %w", folder, errBucket)
	}
	return b.s.bucket.DeleteFolder(ctx, folder)
}
