package s3bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"

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
	d := download{bucket: b, key: key, off: off, want: n}
	if err := d.readRange(ctx); err != nil {
		return nil, err
	}
	return d.body, nil
}

// ReadTo implements checkpoint.Bucket.
func (b *Bucket) ReadTo(ctx context.Context, key string, off, n int64, w io.Writer) error {
	d := download{bucket: b, key: key, off: off, want: n, to: w}
	return d.readRange(ctx)
}

// readRange reads a range, of which nothing was read yet.
func (d *download) readRange(ctx context.Context) error {
	err := check(ctx, d.key)
	if err == nil && (d.off < 0 || d.want < 1 || d.off > math.MaxInt64-d.want) {
		err = checkpoint.ErrRange
	}
	if err == nil {
		err = d.bucket.do(ctx, request{op: checkpoint.RequestRange, size: d.want, send: d.send})
	}
	if err != nil {
		return fmt.Errorf("read %d bytes at %d of %s: %w", d.want, d.off, d.key, readError(err))
	}
	return nil
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
	to     io.Writer // gets a range; nil if body does

	got  int64  // bytes that were read
	body []byte // they, unless to has them; its capacity is want
}

// send asks for what is missing and reads it.
func (d *download) send(ctx context.Context, l *limit) error {
	in := s3.GetObjectInput{Bucket: d.bucket.name, Key: d.bucket.object(d.key), ExpectedBucketOwner: d.bucket.owner, IfMatch: d.etag}
	if d.got > 0 || !d.whole {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", d.off+d.got, d.off+d.want-1))
	}
	if d.to != nil {
		l.extend(0)
	}
	out, err := d.bucket.client.GetObject(ctx, &in, wantChecksum)
	if err != nil {
		return err
	}
	defer out.Body.Close()
	if err := d.begin(out); err != nil {
		return err
	}
	if d.to != nil {
		err = d.pass(out.Body, l)
	} else {
		l.extend(d.want - d.got)
		var n int
		n, err = io.ReadFull(out.Body, d.body[d.got:d.want])
		d.got += int64(n)
		d.body = d.body[:d.got]
	}
	var refused *writerError
	if errors.As(err, &refused) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w after %d of %d bytes: %w", errCut, d.got, d.want, err)
	}
	return d.verify()
}

// writerError is an error of the writer that a range goes to. No other attempt mends it.
type writerError struct{ err error }

func (e *writerError) Error() string { return e.err.Error() }
func (e *writerError) Unwrap() error { return e.err }

// pieces are what pass reads into.
var pieces = sync.Pool{New: func() any { return new([128 << 10]byte) }}

// stretch is how many bytes of a range that is passed on must come in the time that slowest gives them.
const stretch = 8 << 20

// pass writes what is missing to d.to, as it comes.
func (d *download) pass(body io.Reader, l *limit) error {
	piece := pieces.Get().(*[128 << 10]byte)
	defer pieces.Put(piece)
	for due := d.got; d.got < d.want; {
		if d.got >= due {
			due = min(d.got+stretch, d.want)
			l.extend(due - d.got)
		}
		n, err := body.Read(piece[:min(int64(len(piece)), d.want-d.got)])
		if n > 0 {
			if _, err := d.to.Write(piece[:n]); err != nil {
				return &writerError{err}
			}
			d.got += int64(n)
		}
		if err != nil && d.got < d.want {
			return err
		}
	}
	return nil
}

// wantChecksum asks for the checksum that the store kept. The SDK's own check would be void after an answer that was cut.
func wantChecksum(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue("X-Amz-Checksum-Mode", "ENABLED"))
}

// begin looks at an answer's header. It makes room for the body.
func (d *download) begin(out *s3.GetObjectOutput) error {
	got, length := d.got, aws.ToInt64(out.ContentLength)
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
	if d.body == nil && d.to == nil {
		d.body = make([]byte, 0, d.want)
	}
	d.etag = out.ETag
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
		d.body, d.got, d.etag = nil, 0, nil
	}
	return err
}
