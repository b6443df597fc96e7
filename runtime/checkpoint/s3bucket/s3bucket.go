package s3bucket

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/stateway/stateway/runtime/checkpoint"
)

// Bucket is a checkpoint.Bucket in S3. Safe for concurrent use.
type Bucket struct {
	opt         Options // with defaults, constant
	region      string
	client      *s3.Client
	invalidate  func() // makes the next attempt fetch credentials anew
	name, owner *string
	prefix      string        // with a slash at its end, or empty
	suffix      string        // of every key
	parts       chan struct{} // holds one for each part on its way, of all objects together

	requests map[checkpoint.Request]*atomic.Uint64    // constant keys
	retries  map[checkpoint.RetryCause]*atomic.Uint64 // constant keys
}

var (
	_ checkpoint.Bucket    = (*Bucket)(nil)
	_ checkpoint.Requester = (*Bucket)(nil)
)

// partsAtOnce bounds the parts on their way.
const partsAtOnce = 4

// Open returns the bucket that opt describes, reached with cfg's credentials, HTTP client and, if opt names none, region. It sends
// nothing: Probe does.
func Open(opt Options, cfg aws.Config) (*Bucket, error) {
	if err := opt.validate(); err != nil {
		return nil, &SetupError{Bucket: opt.String(), Advice: "the options are wrong", Err: err}
	}
	b := &Bucket{
		opt: opt.withDefaults(), region: opt.Region, name: &opt.Bucket, parts: make(chan struct{}, partsAtOnce),
		requests: counters(checkpoint.RequestKinds), retries: counters(checkpoint.RetryCauses),
	}
	if b.region == "" {
		b.region = cfg.Region
	}
	if b.region == "" {
		return nil, &SetupError{Bucket: opt.String(), Advice: "its region is not known: put region=… into the URL, or set AWS_REGION"}
	}
	if opt.Owner != "" {
		b.owner = &opt.Owner
	}
	if opt.Prefix != "" {
		b.prefix = opt.Prefix + "/"
	}
	if opt.FileBacked {
		b.suffix = "!" // sorts before all that a key can hold, so that the order of keys stays
	}
	b.invalidate = func() {} // what awsclient loads is told by itself
	if cache, ok := cfg.Credentials.(*aws.CredentialsCache); ok {
		b.invalidate = cache.Invalidate
	}
	b.client = s3.NewFromConfig(cfg, b.configure)
	return b, nil
}

func (b *Bucket) configure(o *s3.Options) {
	o.Region = b.region
	o.Retryer = aws.NopRetryer{}
	o.UsePathStyle = b.opt.PathStyle
	// Checksums of bodies are computed and checked here.
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	o.DisableLogOutputChecksumValidationSkipped = true
	if b.opt.Endpoint != "" {
		o.BaseEndpoint = &b.opt.Endpoint
	}
}

// String is the bucket's URL without options.
func (b *Bucket) String() string { return b.opt.String() }

// object is the name of a key in S3.
func (b *Bucket) object(key string) *string {
	name := b.prefix + key + b.suffix
	return &name
}

// key is the key of an object, false if the object is none of ours.
func (b *Bucket) key(object string) (string, bool) {
	key, mine := strings.CutPrefix(object, b.prefix)
	key, whole := strings.CutSuffix(key, b.suffix)
	return key, mine && whole && checkpoint.ValidKey(key) == nil
}

// tokenName is the metadata in which an object carries the token of the Create that made it.
const tokenName = "stateway-create"

func newToken() string {
	var t [16]byte
	_, _ = rand.Read(t[:]) // never fails
	return hex.EncodeToString(t[:])
}

// check is what every request begins with.
func check(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return checkpoint.ValidKey(key)
}

func failedTo(what, key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", what, key, err)
}
