package s3bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/stateway/stateway/runtime/checkpoint"
)

// Create implements checkpoint.Bucket.
func (b *Bucket) Create(ctx context.Context, key string, body []byte) error {
	err := check(ctx, key)
	if err == nil {
		err = b.put(ctx, key, bytes.NewReader(body), int64(len(body)))
	}
	return failedTo("create", key, err)
}

// CreateFrom implements checkpoint.Bucket. A body larger than a part travels in parts.
func (b *Bucket) CreateFrom(ctx context.Context, key string, body io.ReaderAt, size int64) error {
	err := check(ctx, key)
	switch {
	case err != nil:
	case size > b.opt.PartSize:
		err = b.putParts(ctx, key, body, size)
	default:
		err = b.put(ctx, key, body, size)
	}
	return failedTo("create", key, err)
}

// put creates an object with one request.
func (b *Bucket) put(ctx context.Context, key string, body io.ReaderAt, size int64) error {
	sum, err := b.sum(ctx, body, 0, size)
	if err != nil {
		return err
	}
	in := s3.PutObjectInput{
		Bucket: b.name, Key: b.object(key), ExpectedBucketOwner: b.owner, IfNoneMatch: aws.String("*"),
		ContentLength: &size, ContentType: aws.String("application/octet-stream"),
		ChecksumCRC64NVME: sum.crc64, ChecksumSHA256: sum.sha256,
		ServerSideEncryption: b.opt.Encryption, SSEKMSKeyId: b.kmsKey(), BucketKeyEnabled: b.bucketKey(), StorageClass: b.opt.class(key),
	}
	w := write{key: key, token: newToken()}
	in.Metadata = map[string]string{tokenName: w.token}
	err = b.do(ctx, request{
		op: checkpoint.RequestPut, size: size, failed: w.failed,
		send: func(ctx context.Context, _ *limit) error {
			lent := lend(body, 0, size)
			defer lent.takeBack()
			again := in
			again.Body = lent
			_, err := b.client.PutObject(ctx, &again)
			return err
		},
	})
	return b.outcome(ctx, w, err)
}

func (b *Bucket) kmsKey() *string {
	if b.opt.KMSKey == "" {
		return nil
	}
	return &b.opt.KMSKey
}

func (b *Bucket) bucketKey() *bool {
	if !b.opt.BucketKey {
		return nil
	}
	return &b.opt.BucketKey
}

// write is a conditional write that may take several attempts.
type write struct {
	key   string
	token string
	maybe bool // an attempt failed that may have been carried out
}

func (w *write) failed(f fault) { w.maybe = w.maybe || f.maybe }

// outcome is what the error of a conditional write means for the caller of Create.
func (b *Bucket) outcome(ctx context.Context, w write, err error) error {
	if err == nil {
		return nil
	}
	switch v := verdictOf(err); {
	case v == taken && w.maybe:
		return b.whose(ctx, w)
	case v == taken:
		return checkpoint.ErrExists
	case v == folder && !w.maybe:
		return fmt.Errorf("%w: the store cannot hold it beside what is there: %w", checkpoint.ErrExists, &folderError{err})
	case w.maybe:
		return fmt.Errorf("%w: %w", checkpoint.ErrUnknownOutcome, err)
	}
	return err
}

// folderError is a key that is a folder, or lies below an object, in a store that keeps objects as files.
type folderError struct{ err error }

func (e *folderError) Error() string { return e.err.Error() }
func (e *folderError) Unwrap() error { return e.err }

// errVanished: an object stood in the way and is gone.
var errVanished = errors.New("it was deleted since")

// whose finds out whether the object that stands in the way is that of an earlier attempt of ours, whose answer was lost.
func (b *Bucket) whose(ctx context.Context, w write) error {
	token, err := b.tokenOf(ctx, w.key)
	switch {
	case errors.Is(err, checkpoint.ErrNotFound):
		return fmt.Errorf("%w: %w", checkpoint.ErrExists, errVanished)
	case err != nil:
		return fmt.Errorf("%w: the answer was lost, and reading back: %w", checkpoint.ErrUnknownOutcome, err)
	case token == w.token:
		return nil
	}
	return checkpoint.ErrExists
}

// tokenOf is the token of the Create that made an object, or ErrNotFound.
func (b *Bucket) tokenOf(ctx context.Context, key string) (token string, err error) {
	err = b.do(ctx, request{
		op: checkpoint.RequestHead,
		send: func(ctx context.Context, _ *limit) error {
			out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: b.name, Key: b.object(key), ExpectedBucketOwner: b.owner})
			if err == nil {
				token = out.Metadata[tokenName]
			}
			return err
		},
	})
	if verdictOf(err) == missing {
		return "", checkpoint.ErrNotFound
	}
	return token, err
}
