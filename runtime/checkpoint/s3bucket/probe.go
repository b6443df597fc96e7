package s3bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/stateway/stateway/runtime/checkpoint"
)

// Probe finds out whether an application can live in this bucket. It reads, writes, lists and deletes an object of its own, and writes
// it a second time: a store that lets that pass is refused, because two leaders could both commit there. The errors that an
// operator has to act on are SetupErrors. It takes six requests.
func (b *Bucket) Probe(ctx context.Context) error {
	key := "probe-" + newToken()
	body := []byte("written by stateway to find out whether it can work here: " + key + "\n")

	_, err := b.Read(ctx, key)
	if !errors.Is(err, checkpoint.ErrNotFound) {
		return b.unfit("look for an object that is not there", err, "it found an object under a name that was just drawn")
	}
	if err := b.put(ctx, key, bytes.NewReader(body), int64(len(body))); err != nil {
		return b.unfit("write an object", err, "")
	}
	err = b.probeWritten(ctx, key, body)
	if deleteErr := b.delete(ctx, b.object(key)); err == nil && deleteErr != nil {
		err = b.unfit("delete an object", deleteErr, "")
	}
	return err
}

// probeWritten looks at an object that was just written.
func (b *Bucket) probeWritten(ctx context.Context, key string, body []byte) error {
	err := b.put(ctx, key, bytes.NewReader(body), int64(len(body)))
	if !errors.Is(err, checkpoint.ErrExists) {
		return b.unfit("write an object a second time", err, "the store ignores If-None-Match: a second write of the same name succeeded, so two leaders "+
			"could both commit. Use a store with conditional writes")
	}
	got, err := b.Read(ctx, key)
	if err != nil || !bytes.Equal(got, body) {
		return b.unfit("read an object", err, fmt.Sprintf("the store returned %d other bytes than the %d that were just written", len(got), len(body)))
	}
	if _, err := b.List(ctx, key, "", 1); err != nil {
		return b.unfit("list objects", err, "")
	}
	return nil
}

// unfit is the error of a step of the probe; wrong says what is wrong if the step succeeded and should not have.
func (b *Bucket) unfit(step string, err error, wrong string) error {
	if err == nil {
		return &SetupError{Bucket: b.opt.String(), Advice: wrong}
	}
	var setup *SetupError
	if errors.As(err, &setup) {
		return &SetupError{Bucket: setup.Bucket, Advice: "a first try to " + step + " failed: " + setup.Advice, Err: setup.Err}
	}
	return fmt.Errorf("bucket %s: a first try to %s failed: %w", b.opt.String(), step, err)
}
