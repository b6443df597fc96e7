package checkpoint

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

const applicationMagic = "stwyapp\x01"

// ErrApplication means that the application in the bucket is not the one that was meant, such as one with
// another number of shards. An operator has to decide.
var ErrApplication = errors.New("application cannot be opened")

// Options are what an Application takes from its surroundings. All fields are required.
type Options struct {
	// Random gives the random parts of names and ids: crypto/rand.Reader, or a simulation's seed.
	Random io.Reader
	// Clock is the time since some fixed moment. It never goes back and counts the time in which the
	// machine sleeps (bootclock.Now): the control log's rule of one hour rests on it.
	Clock func() time.Duration
}

// Application is an application in a bucket. Its fields are constant; its methods are safe for
// concurrent use if Bucket, Random and Clock are.
type Application struct {
	Name    string
	ID      core.ApplicationID
	Shards  int
	Created bool // by the call that opened it

	bucket Bucket
	opt    Options
}

// CreateApplication opens the application name in bucket, which must have this number of shards, or
// creates it with a new random id.
func CreateApplication(ctx context.Context, bucket Bucket, name string, shards int, opt Options) (*Application, error) {
	if _, err := core.NewSharding(shards); err != nil {
		return nil, err
	}
	a, err := OpenApplication(ctx, bucket, name, opt)
	if errors.Is(err, ErrNotFound) {
		a, err = newApplication(ctx, bucket, name, shards, opt)
	}
	if err != nil {
		return nil, err
	}
	if a.Shards != shards {
		return nil, fmt.Errorf("%w: %s has %d shards, not %d: the number is fixed when an application is created; "+
			"start with --shards %d, or under another --application", ErrApplication, name, a.Shards, shards, a.Shards)
	}
	return a, nil
}

// OpenApplication opens an application that exists; otherwise the error wraps ErrNotFound.
func OpenApplication(ctx context.Context, bucket Bucket, name string, opt Options) (*Application, error) {
	if err := ValidName(name); err != nil {
		return nil, err
	}
	key := applicationKey(name)
	b, err := bucket.Read(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("open application %s: %w", name, err)
	}
	a, err := decodeApplication(key, b)
	if err != nil {
		return nil, fmt.Errorf("open application %s: %w", name, err)
	}
	if a.Name != name {
		return nil, fmt.Errorf("%w: %s is the object of an application called %s: it was copied or renamed by hand", ErrApplication, key, a.Name)
	}
	a.bucket, a.opt = bucket, opt
	return a, nil
}

func newApplication(ctx context.Context, bucket Bucket, name string, shards int, opt Options) (*Application, error) {
	a := Application{Name: name, Shards: shards}
	a.bucket, a.opt = bucket, opt
	begun, err := a.Log().reached(ctx, 1)
	if err != nil {
		return nil, fmt.Errorf("create application %s: %w", name, err)
	}
	if begun {
		if other, err := OpenApplication(ctx, bucket, name, opt); err == nil || !errors.Is(err, ErrNotFound) {
			return other, err // created a moment ago
		}
		return nil, fmt.Errorf("%w: %w: there is a control log of %s and no application: a copy to here was interrupted; "+
			"repeat stateway checkpoint copy with the same arguments, or delete everything below %s/ and start a new application", ErrApplication, ErrMoved, name, name)
	}
	if _, err := io.ReadFull(opt.Random, a.ID[:]); err != nil {
		return nil, fmt.Errorf("draw the id of application %s: %w", name, err)
	}
	err = bucket.Create(ctx, applicationKey(name), a.encode())
	if err != nil && !errors.Is(err, ErrExists) && !errors.Is(err, ErrUnknownOutcome) {
		return nil, fmt.Errorf("create application %s: %w", name, err)
	}
	if errors.Is(err, ErrUnknownOutcome) {
		// The same bytes again: either way the object is durable then, ours or another's.
		if err := bucket.Create(ctx, applicationKey(name), a.encode()); err != nil && !errors.Is(err, ErrExists) {
			return nil, fmt.Errorf("create application %s: %w", name, err)
		}
	}
	there, err := OpenApplication(ctx, bucket, name, opt)
	if err == nil {
		there.Created = there.ID == a.ID
	}
	return there, err
}

func (a *Application) encode() []byte {
	b := append([]byte(nil), applicationMagic...)
	b = append(b, a.ID[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(a.Shards)) //nolint:gosec // at most core.MaxShards
	b = appendString(b, a.Name)
	return appendCRC(b, 0)
}

func decodeApplication(key string, b []byte) (*Application, error) {
	d := sealed(key, b, applicationMagic)
	a := &Application{}
	copy(a.ID[:], d.take(16, "application id"))
	a.Shards = int(d.uint32("number of shards"))
	a.Name = d.string("name")
	if err := d.end(); err != nil {
		return nil, err
	}
	if _, err := core.NewSharding(a.Shards); err != nil {
		return nil, damaged(key, 24, "%v", err)
	}
	return a, nil
}

// key is the bucket's key of a segment or base file.
func (a *Application) key(name string) string { return a.Name + "/" + name }

// createFresh creates an object under a name that was just drawn, so that whoever made it was us. One
// retry answers for a lost answer.
func (a *Application) createFresh(ctx context.Context, name string, body io.ReaderAt, size int64) error {
	key := a.key(name)
	err := a.bucket.CreateFrom(ctx, key, body, size)
	if err == nil || errors.Is(err, ErrExists) || !errors.Is(err, ErrUnknownOutcome) {
		return err // a fresh name that is taken is an error: names are never reused
	}
	err = a.bucket.CreateFrom(ctx, key, body, size)
	if errors.Is(err, ErrExists) {
		return nil
	}
	return err
}
