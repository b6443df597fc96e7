package s3bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/stateway/stateway/runtime/checkpoint"
)

// uploads is how often an object in parts is begun anew, after another write of its key was in the way.
const uploads = 3

// putParts creates an object in parts.
func (b *Bucket) putParts(ctx context.Context, key string, body io.ReaderAt, size int64) error {
	// Before all the bytes travel in vain, as they would in the repetition of a create whose answer was lost.
	if _, err := b.tokenOf(ctx, key); err == nil {
		return checkpoint.ErrExists
	}
	w := write{key: key, token: newToken()}
	var err error
	for n := range uploads {
		var u upload
		if u, err = b.begin(ctx, key, w.token, size); err != nil {
			return b.outcome(ctx, w, err)
		}
		if err = b.sendParts(ctx, &u, body, size); err != nil {
			b.abort(ctx, u)
			return b.outcome(ctx, w, err)
		}
		if err = b.complete(ctx, u, &w); err == nil {
			return nil
		}
		b.abort(ctx, u)
		v := verdictOf(err)
		if v == gone && w.maybe {
			// Completed by the attempt whose answer was lost, or given up by somebody before it arrived.
			if err := b.whose(ctx, w); !errors.Is(err, errVanished) {
				return err
			}
		}
		if v != conflict && v != gone {
			break
		}
		if !sleep(ctx, backoff(n, checkpoint.RetryConflict)) {
			break
		}
	}
	return b.outcome(ctx, w, err)
}

// upload is an object that is on its way in parts.
type upload struct {
	key  string
	id   *string
	part int64 // size of all parts but the last
	done []types.CompletedPart
}

// partSize is the size of the parts of an object: as configured, or more, in whole MiB, if there were too many.
func partSize(configured, size int64) int64 {
	if size <= configured*maxParts {
		return configured
	}
	least := (size + maxParts - 1) / maxParts
	return (least + 1<<20 - 1) >> 20 << 20
}

func (b *Bucket) begin(ctx context.Context, key, token string, size int64) (upload, error) {
	u := upload{key: key, part: partSize(b.opt.PartSize, size)}
	kind := types.ChecksumTypeFullObject
	if b.opt.Checksum == types.ChecksumAlgorithmSha256 {
		kind = types.ChecksumTypeComposite
	}
	err := b.do(ctx, request{
		op: checkpoint.RequestMultipart,
		send: func(ctx context.Context, _ *limit) error {
			out, err := b.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
				Bucket: b.name, Key: b.object(key), ExpectedBucketOwner: b.owner, ContentType: aws.String("application/octet-stream"),
				ChecksumAlgorithm: b.opt.Checksum, ChecksumType: kind, Metadata: map[string]string{tokenName: token},
				ServerSideEncryption: b.opt.Encryption, SSEKMSKeyId: b.kmsKey(), BucketKeyEnabled: b.bucketKey(), StorageClass: b.opt.class(key),
			})
			if err == nil {
				u.id = out.UploadId
			}
			return err
		},
	})
	return u, err
}

// sendParts sends all parts, a few at a time.
func (b *Bucket) sendParts(ctx context.Context, u *upload, body io.ReaderAt, size int64) error {
	u.done = make([]types.CompletedPart, (size+u.part-1)/u.part)
	group, ctx := errgroup.WithContext(ctx)
	for i := range u.done {
		select {
		case b.parts <- struct{}{}:
		case <-ctx.Done():
			return groupError(group, ctx)
		}
		group.Go(func() error {
			defer func() { <-b.parts }()
			off := int64(i) * u.part
			var err error
			u.done[i], err = b.sendPart(ctx, u, int32(i)+1, body, off, min(u.part, size-off)) //nolint:gosec // at most maxParts
			return err
		})
	}
	return group.Wait()
}

// groupError is why a group ended before all was begun.
func groupError(group *errgroup.Group, ctx context.Context) error {
	if err := group.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

func (b *Bucket) sendPart(ctx context.Context, u *upload, number int32, body io.ReaderAt, off, size int64) (types.CompletedPart, error) {
	done := types.CompletedPart{PartNumber: &number}
	sum, err := b.sum(ctx, body, off, size)
	if err != nil {
		return done, err
	}
	done.ChecksumCRC64NVME, done.ChecksumSHA256 = sum.crc64, sum.sha256
	err = b.do(ctx, request{
		op: checkpoint.RequestPart, size: size,
		send: func(ctx context.Context, _ *limit) error {
			lent := lend(body, off, size)
			defer lent.takeBack()
			out, err := b.client.UploadPart(ctx, &s3.UploadPartInput{
				Bucket: b.name, Key: b.object(u.key), ExpectedBucketOwner: b.owner, UploadId: u.id, PartNumber: &number, ContentLength: &size,
				ChecksumCRC64NVME: sum.crc64, ChecksumSHA256: sum.sha256, Body: lent,
			})
			if err == nil {
				done.ETag = out.ETag
			}
			return err
		},
	})
	if err != nil {
		return done, fmt.Errorf("part %d: %w", number, err)
	}
	return done, nil
}

func (b *Bucket) complete(ctx context.Context, u upload, w *write) error {
	return b.do(ctx, request{
		op: checkpoint.RequestMultipart, size: int64(len(u.done)) << 17, failed: w.failed, // S3 takes a while for many parts
		send: func(ctx context.Context, _ *limit) error {
			_, err := b.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
				Bucket: b.name, Key: b.object(u.key), ExpectedBucketOwner: b.owner, UploadId: u.id, IfNoneMatch: aws.String("*"),
				MultipartUpload: &types.CompletedMultipartUpload{Parts: u.done},
			})
			return err
		},
	})
}

// abortTime bounds the giving up of an upload whose caller may be gone.
const abortTime = 10 * time.Second

// abort gives an upload up, so that its parts are not kept and billed. What this leaves, after a crash or without an answer, a
// lifecycle rule of the bucket deletes (docs/operations.md).
func (b *Bucket) abort(ctx context.Context, u upload) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	_ = b.do(ctx, request{
		op: checkpoint.RequestMultipart,
		send: func(ctx context.Context, _ *limit) error {
			_, err := b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
				Bucket: b.name, Key: b.object(u.key), ExpectedBucketOwner: b.owner, UploadId: u.id,
			})
			return err
		},
	})
}
