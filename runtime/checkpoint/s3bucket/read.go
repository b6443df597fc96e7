package s3bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/stateway/stateway/runtime/checkpoint"
)

// Read implements checkpoint.Bucket. What was read before a connection broke is kept, and the rest asked for.
func (b *Bucket) Read(ctx context.Context, key string) ([]byte, error) {
	err := check(ctx, key)
	if err != nil {
		return nil, failedTo("read", key, err)
	}
	d := download{bucket: b, key: key, whole: true}
	if err := b.do(ctx, request{op: checkpoint.RequestGet, send: d.send}); err != nil {
		return nil, failedTo("read", key, readError(err))
	}
	return d.body, nil
}

// ReadRange implements checkpoint.Bucket.
func (b *Bucket) ReadRange(ctx context.Context, key string, off, n int64) ([]byte, error) {
	err := check(ctx, key)
	if err == nil && (off < 0 || n < 1 || off > math.MaxInt64-n) {
		err = checkpoint.ErrRange
	}
	if err == nil {
		d := download{bucket: b, key: key, off: off, want: n}
		if err = b.do(ctx, request{op: checkpoint.RequestRange, size: n, send: d.send}); err == nil {
			return d.body, nil
		}
	}
	return nil, fmt.Errorf("read %d bytes at %d of %s: %w", n, off, key, readError(err))
}

// readError gives an error of a read the class that the contract wants.
func readError(err error) error {
	switch verdictOf(err) {
	case missing, folder:
		return checkpoint.ErrNotFound
	case beyond:
		return fmt.Errorf("%w: it ends before", checkpoint.ErrRange)
	}
	return err
}

// download is an object, or a range of one, that is being read in one attempt or more.
type download struct {
	bucket *Bucket
	key    string
	whole  bool
	off    int64 // of the range
	want   int64 // bytes; of a whole object once it is known
	etag   *string
	sum    checksum

	body []byte // what was read; its capacity is want
}

// send asks for what is missing and reads it.
func (d *download) send(ctx context.Context, l *limit) error {
	in := s3.GetObjectInput{Bucket: d.bucket.name, Key: d.bucket.object(d.key), ExpectedBucketOwner: d.bucket.owner, IfMatch: d.etag}
	got := int64(len(d.body))
	if got > 0 || !d.whole {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", d.off+got, d.off+d.want-1))
	}
	out, err := d.bucket.client.GetObject(ctx, &in, wantChecksum)
	if err != nil {
		return err
	}
	defer out.Body.Close()
	if err := d.begin(out, got); err != nil {
		return err
	}
	l.extend(d.want - got)
	n, err := io.ReadFull(out.Body, d.body[got:d.want])
	d.body = d.body[:got+int64(n)]
	if err != nil {
		return fmt.Errorf("%w after %d of %d bytes: %w", errCut, len(d.body), d.want, err)
	}
	return d.verify()
}

// wantChecksum asks for the checksum that the store kept. The SDK's own check would be void after an answer that was cut.
func wantChecksum(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue("X-Amz-Checksum-Mode", "ENABLED"))
}

// begin looks at an answer's header. It makes room for the body.
func (d *download) begin(out *s3.GetObjectOutput, got int64) error {
	length := aws.ToInt64(out.ContentLength)
	if out.ContentLength == nil || length < 0 {
		return errors.New("the store did not tell the length of its answer")
	}
	if d.whole && d.body == nil {
		if length > checkpoint.MaxRead {
			return fmt.Errorf("%w: %d bytes, at most %d are read whole", checkpoint.ErrRange, length, checkpoint.MaxRead)
		}
		d.want, d.sum = length, checksum{crc64: out.ChecksumCRC64NVME, sha256: out.ChecksumSHA256}
	}
	if d.off+got > 0 && !startsAt(out.ContentRange, d.off+got) {
		return fmt.Errorf("the store answered with %q instead of the range from %d", aws.ToString(out.ContentRange), d.off+got)
	}
	switch {
	case length < d.want-got && !d.whole:
		return fmt.Errorf("%w: it ends before", checkpoint.ErrRange)
	case length < d.want-got, d.whole && length > d.want-got:
		return fmt.Errorf("%w: the store announced %d bytes, %d are missing", errCut, length, d.want-got)
	}
	if d.body == nil {
		d.body = make([]byte, 0, d.want)
	}
	d.etag = out.ETag
	d.body = d.body[:got]
	return nil
}

// startsAt reports whether a Content-Range begins at off.
func startsAt(contentRange *string, off int64) bool {
	return strings.HasPrefix(aws.ToString(contentRange), "bytes "+strconv.FormatInt(off, 10)+"-")
}

// verify checks a whole object. A wrong one is read anew.
func (d *download) verify() error {
	if !d.whole {
		return nil
	}
	err := d.sum.verify(d.body)
	if err != nil {
		d.body, d.etag = nil, nil
	}
	return err
}
