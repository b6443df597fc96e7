package s3bucket

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/stateway/stateway/runtime/checkpoint"
)

// page is how many objects one request lists or deletes at most.
const page = 1000

// List implements checkpoint.Bucket. Objects whose names are no keys, such as another program's, are left out.
func (b *Bucket) List(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	err := ctx.Err()
	if err == nil {
		err = checkpoint.ValidPrefix(prefix)
	}
	var found []string
	start := "" // the name of an object; the list goes on behind it
	if after != "" {
		start = *b.object(after)
	}
	for more := true; more && err == nil && len(found) < limit; {
		var objects []types.Object
		objects, more, err = b.listPage(ctx, prefix, start, min(page, limit-len(found)))
		for _, o := range objects {
			start = aws.ToString(o.Key)
			if key, ok := b.key(start); ok {
				found = append(found, key)
			}
		}
		more = more && len(objects) > 0
	}
	if err != nil {
		return nil, failedTo("list", prefix, err)
	}
	return found, nil
}

// listPage lists up to n objects behind start; more says whether there are more.
func (b *Bucket) listPage(ctx context.Context, prefix, start string, n int) (objects []types.Object, more bool, err error) {
	in := s3.ListObjectsV2Input{
		Bucket: b.name, ExpectedBucketOwner: b.owner, Prefix: aws.String(b.prefix + prefix), MaxKeys: aws.Int32(int32(n)), //nolint:gosec // at most page
	}
	if start != "" {
		in.StartAfter = &start
	}
	err = b.do(ctx, request{
		op: checkpoint.RequestList, size: int64(n) << 10,
		send: func(ctx context.Context, _ *limit) error {
			out, err := b.client.ListObjectsV2(ctx, &in)
			if err == nil {
				objects, more = out.Contents, aws.ToBool(out.IsTruncated)
			}
			return err
		},
	})
	return objects, more, err
}

// Delete implements checkpoint.Bucket.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	err := check(ctx, key)
	if err == nil && checkpoint.InLog(key) {
		err = fmt.Errorf("%w: an entry of a control log goes with its folder", checkpoint.ErrKey)
	}
	if err == nil {
		err = b.delete(ctx, b.object(key))
	}
	return failedTo("delete", key, err)
}

func (b *Bucket) delete(ctx context.Context, object *string) error {
	err := b.do(ctx, request{
		op: checkpoint.RequestDelete,
		send: func(ctx context.Context, _ *limit) error {
			_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b.name, Key: object, ExpectedBucketOwner: b.owner})
			return err
		},
	})
	if v := verdictOf(err); err != nil && (v == missing || v == folder) {
		return nil
	}
	return err
}

// DeleteFolder implements checkpoint.Bucket: the marker first, then the objects. A store that keeps objects as files cannot, unless
// the bucket was opened as FileBacked.
func (b *Bucket) DeleteFolder(ctx context.Context, folder string) error {
	err := b.Create(ctx, folder, nil)
	var inTheWay *folderError
	switch {
	case errors.As(err, &inTheWay):
		return fmt.Errorf("delete folder %s: %w: the store keeps objects as files: %w", folder, errors.ErrUnsupported, err)
	case err != nil && !errors.Is(err, checkpoint.ErrExists):
		return failedTo("delete folder", folder, err)
	}
	for start := ""; ; {
		objects, more, err := b.listPage(ctx, folder+"/", start, page)
		if err == nil && len(objects) > 0 {
			start = aws.ToString(objects[len(objects)-1].Key)
			err = b.deleteAll(ctx, objects)
		}
		if err != nil {
			return failedTo("delete folder", folder, err)
		}
		if !more || len(objects) == 0 {
			return nil
		}
	}
}

// deleteAll deletes up to a page of objects.
func (b *Bucket) deleteAll(ctx context.Context, objects []types.Object) error {
	var ids []types.ObjectIdentifier
	for _, o := range objects {
		if _, ok := b.key(aws.ToString(o.Key)); ok {
			ids = append(ids, types.ObjectIdentifier{Key: o.Key})
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return b.do(ctx, request{
		op: checkpoint.RequestDelete, size: int64(len(ids)) << 10,
		send: func(ctx context.Context, _ *limit) error {
			out, err := b.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
				Bucket: b.name, ExpectedBucketOwner: b.owner, Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)},
			})
			if err != nil {
				return err
			}
			return firstRefused(out.Errors)
		},
	})
}

// firstRefused is an error if some of the objects were not deleted: that of the first one, as if it had been asked for alone.
func firstRefused(refused []types.Error) error {
	for _, e := range refused {
		if aws.ToString(e.Code) != "NoSuchKey" {
			refusal := &smithy.GenericAPIError{Code: aws.ToString(e.Code), Message: aws.ToString(e.Message)}
			return fmt.Errorf("%s: %w", aws.ToString(e.Key), refusal)
		}
	}
	return nil
}
