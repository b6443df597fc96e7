package s3bucket

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// ParseURL reads s3://BUCKET/PREFIX?OPTION=VALUE&… into options. All that is wrong is told at once. The URL never holds credentials.
//
// Options: region, endpoint, pathStyle, fileBacked, expectedBucketOwner, sse (AES256, aws:kms, aws:kms:dsse), kmsKeyId, bucketKey,
// checksum (CRC64NVME, SHA256), storageClass.log, storageClass.segments, storageClass.bases.
func ParseURL(raw string) (Options, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return Options{}, errors.New("want s3://BUCKET/PREFIX?region=REGION") // err may repeat a password
	}
	switch {
	case u.Scheme != "s3" || u.Opaque != "":
		return Options{}, errors.New("want s3://BUCKET/PREFIX?region=REGION")
	case u.User != nil:
		return Options{}, errors.New("credentials do not belong into the URL, where every list of processes shows them: " +
			"use the environment, a profile or a role")
	case u.Fragment != "":
		return Options{}, errors.New("want no # in it")
	}
	o := Options{Bucket: u.Host, Prefix: strings.TrimSuffix(strings.TrimPrefix(u.Path, "/"), "/")}
	return o, errors.Join(o.query(u.RawQuery), o.validate())
}

// setters are the options of a URL.
var setters = map[string]func(*Options, string) error{
	"region":     func(o *Options, v string) error { o.Region = v; return nil },
	"endpoint":   func(o *Options, v string) (err error) { o.Endpoint, err = v, checkEndpoint(v); return err },
	"pathStyle":  func(o *Options, v string) (err error) { o.PathStyle, err = parseBool(v); return err },
	"fileBacked": func(o *Options, v string) (err error) { o.FileBacked, err = parseBool(v); return err },
	"expectedBucketOwner": func(o *Options, v string) error {
		o.Owner = v
		return nil
	},
	"sse": func(o *Options, v string) (err error) {
		o.Encryption, err = oneOf(v, types.ServerSideEncryptionAes256, types.ServerSideEncryptionAwsKms, types.ServerSideEncryptionAwsKmsDsse)
		return err
	},
	"kmsKeyId":  func(o *Options, v string) error { o.KMSKey = v; return nil },
	"bucketKey": func(o *Options, v string) (err error) { o.BucketKey, err = parseBool(v); return err },
	"checksum": func(o *Options, v string) (err error) {
		o.Checksum, err = oneOf(v, types.ChecksumAlgorithmCrc64nvme, types.ChecksumAlgorithmSha256)
		return err
	},
	"storageClass.log":      func(o *Options, v string) (err error) { o.Log, err = parseClass(v); return err },
	"storageClass.segments": func(o *Options, v string) (err error) { o.Segments, err = parseClass(v); return err },
	"storageClass.bases":    func(o *Options, v string) (err error) { o.Bases, err = parseClass(v); return err },
}

func (o *Options) query(raw string) error {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return fmt.Errorf("options: %w", err)
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	var problems []error
	for _, name := range names {
		if err := o.set(name, values[name]); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

func (o *Options) set(name string, values []string) error {
	set, ok := setters[name]
	switch {
	case !ok:
		return fmt.Errorf("option %q is unknown; there are: %s", name, strings.Join(optionNames(), ", "))
	case len(values) > 1:
		return fmt.Errorf("option %s is there %d times", name, len(values))
	case values[0] == "":
		return fmt.Errorf("option %s is empty: give it a value or leave it out", name)
	}
	if err := set(o, values[0]); err != nil {
		return fmt.Errorf("option %s=%s: %w", name, values[0], err)
	}
	return nil
}

func optionNames() []string {
	names := make([]string, 0, len(setters))
	for name := range setters {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func parseBool(v string) (bool, error) {
	if v != "true" && v != "false" {
		return false, errors.New("want true or false")
	}
	return v == "true", nil
}

func checkEndpoint(v string) error {
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("want http://HOST:PORT or https://HOST")
	}
	return nil
}

// oneOf is v if it is among those allowed.
func oneOf[T ~string](v string, allowed ...T) (T, error) {
	if slices.Contains(allowed, T(v)) {
		return T(v), nil
	}
	var names []string
	for _, a := range allowed {
		names = append(names, string(a))
	}
	return "", fmt.Errorf("want %s", strings.Join(names, ", "))
}

// parseClass accepts the storage classes whose objects can be read at once.
func parseClass(v string) (types.StorageClass, error) {
	switch c := types.StorageClass(v); c {
	case types.StorageClassGlacier, types.StorageClassDeepArchive:
		return "", errors.New("a restart could not read it at once; GLACIER_IR can be")
	default:
		return oneOf(v, types.StorageClassStandard, types.StorageClassStandardIa, types.StorageClassOnezoneIa,
			types.StorageClassIntelligentTiering, types.StorageClassGlacierIr)
	}
}

// String is the URL of the bucket and prefix, without options.
func (o Options) String() string {
	u := "s3://" + o.Bucket
	if o.Prefix != "" {
		u += "/" + o.Prefix
	}
	return u
}
