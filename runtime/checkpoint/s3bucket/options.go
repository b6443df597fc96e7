package s3bucket

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/stateway/stateway/runtime/checkpoint"
)

// Options say which bucket it is and how objects are kept in it. ParseURL reads them from a URL.
type Options struct {
	// Bucket is the bucket's name. Required.
	Bucket string
	// Prefix stands before every key, with a slash between. Empty means none.
	Prefix string
	// Region is the bucket's. Empty means that of the AWS configuration.
	Region string
	// Endpoint is the URL of another store than Amazon's. Empty means Amazon's.
	Endpoint string
	// PathStyle puts the bucket's name into the path and not into the host's name, as most other stores want it.
	PathStyle bool
	// FileBacked is for stores that keep objects as files in folders, and so cannot hold a beside a/b: every key gets an exclamation
	// mark at its end. Without it such a store works, but its control logs are never cut.
	FileBacked bool
	// Owner is the account, 12 digits, that must own the bucket; every request is refused otherwise. Empty means that nobody looks.
	Owner string
	// Encryption is how objects are encrypted at rest. Empty means the bucket's own setting.
	Encryption types.ServerSideEncryption
	// KMSKey is the id or ARN of the key for Encryption aws:kms. Empty means the account's key for S3.
	KMSKey string
	// BucketKey lets S3 derive keys of its own from the KMS key, which saves most of the requests to KMS.
	BucketKey bool
	// Checksum is CRC64NVME or SHA256. Empty means CRC64NVME.
	Checksum types.ChecksumAlgorithm
	// Log, Segments and Bases are the storage classes of the control log, of segments and of base files. Empty means STANDARD.
	Log, Segments, Bases types.StorageClass

	// Patience is how long a request is tried again before its error is returned. Zero means one minute.
	Patience time.Duration
	// AttemptTimeout is how long one attempt may take beside the time for its bytes, at 1 MiB a second. Zero means five seconds.
	AttemptTimeout time.Duration
	// PartSize is the size in bytes of the parts of large objects, and so of the largest that is sent in one piece. Zero means 8 MiB;
	// objects of more than 10,000 parts get larger ones. S3 wants at least 5 MiB.
	PartSize int64
}

const (
	defaultPatience = time.Minute
	defaultAttempt  = 5 * time.Second
	defaultPart     = 8 << 20
	maxParts        = 10_000
	maxPrefix       = 400
)

func (o Options) withDefaults() Options {
	if o.Patience == 0 {
		o.Patience = defaultPatience
	}
	if o.AttemptTimeout == 0 {
		o.AttemptTimeout = defaultAttempt
	}
	if o.PartSize == 0 {
		o.PartSize = defaultPart
	}
	if o.Checksum == "" {
		o.Checksum = types.ChecksumAlgorithmCrc64nvme
	}
	return o
}

var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	account    = regexp.MustCompile(`^[0-9]{12}$`)
)

// validate reports everything that is wrong, each under its name in the URL.
func (o Options) validate() error {
	var problems []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	bad(bucketName.MatchString(o.Bucket), "bucket name %q: want 3 to 63 of a-z 0-9 . -, beginning and ending with a letter or digit", o.Bucket)
	bad(!strings.HasSuffix(o.Bucket, "--x-s3"), "bucket %s is a directory bucket, whose lists have no order: want a general purpose bucket", o.Bucket)
	if o.Prefix != "" {
		err := checkpoint.ValidKey(o.Prefix)
		bad(err == nil && len(o.Prefix) <= maxPrefix, "prefix %q: want at most %d bytes, parts of a-z A-Z 0-9 . _ - with single slashes between", o.Prefix, maxPrefix)
	}
	bad(o.Owner == "" || account.MatchString(o.Owner), "expectedBucketOwner %q: want an account number of 12 digits", o.Owner)
	bad(o.KMSKey == "" || isKMS(o.Encryption), "kmsKeyId needs sse=aws:kms")
	bad(!o.BucketKey || o.Encryption == types.ServerSideEncryptionAwsKms, "bucketKey needs sse=aws:kms")
	return errors.Join(problems...)
}

func isKMS(e types.ServerSideEncryption) bool {
	return e == types.ServerSideEncryptionAwsKms || e == types.ServerSideEncryptionAwsKmsDsse
}

// class is the storage class for a key; empty for what has none of its own.
func (o *Options) class(key string) types.StorageClass {
	_, rest, _ := strings.Cut(key, "/")
	switch folder, _, _ := strings.Cut(rest, "/"); folder {
	case "segments":
		return o.Segments
	case "bases":
		return o.Bases
	}
	return o.Log
}
