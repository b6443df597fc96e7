package s3bucket

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/stateway/stateway/runtime/checkpoint"
)

func TestParseURL(t *testing.T) {
	cases := []struct {
		rule, url string
		want      Options
		wrong     []string
	}{
		{rule: "a bucket alone", url: "s3://my-bucket", want: Options{Bucket: "my-bucket"}},
		{rule: "a slash at the end is none", url: "s3://my-bucket/", want: Options{Bucket: "my-bucket"}},
		{rule: "a prefix of several parts", url: "s3://my-bucket/a/b.c/", want: Options{Bucket: "my-bucket", Prefix: "a/b.c"}},
		{
			rule: "every option",
			url: "s3://my-bucket/p?region=eu-central-1&endpoint=http://127.0.0.1:7070&pathStyle=true&fileBacked=true&expectedBucketOwner=123456789012" +
				"&sse=aws:kms&kmsKeyId=arn:aws:kms:eu-central-1:123456789012:key/1&bucketKey=true&checksum=SHA256" +
				"&storageClass.log=STANDARD&storageClass.segments=STANDARD_IA&storageClass.bases=INTELLIGENT_TIERING",
			want: Options{
				Bucket: "my-bucket", Prefix: "p", Region: "eu-central-1", Endpoint: "http://127.0.0.1:7070", PathStyle: true, FileBacked: true,
				Owner: "123456789012", Encryption: types.ServerSideEncryptionAwsKms, KMSKey: "arn:aws:kms:eu-central-1:123456789012:key/1",
				BucketKey: true, Checksum: types.ChecksumAlgorithmSha256,
				Log: types.StorageClassStandard, Segments: types.StorageClassStandardIa, Bases: types.StorageClassIntelligentTiering,
			},
		},
		{rule: "another scheme", url: "https://my-bucket", wrong: []string{"want s3://BUCKET/PREFIX?region=REGION"}},
		{rule: "no bucket", url: "s3:my-bucket", wrong: []string{"want s3://BUCKET"}},
		{rule: "a port", url: "s3://my-bucket:80/", wrong: []string{`bucket name "my-bucket:80"`}},
		{rule: "credentials", url: "s3://key:secret@my-bucket", wrong: []string{"credentials do not belong into the URL"}},
		{rule: "a fragment", url: "s3://my-bucket/a#b", wrong: []string{"want no #"}},
		{rule: "a bucket's name", url: "s3://My_Bucket", wrong: []string{`bucket name "My_Bucket": want 3 to 63`}},
		{rule: "a directory bucket", url: "s3://fast--use1-az4--x-s3", wrong: []string{"directory bucket, whose lists have no order"}},
		{rule: "a prefix with an odd part", url: "s3://my-bucket/a//b", wrong: []string{`prefix "a//b"`}},
		{rule: "an unknown option", url: "s3://my-bucket?regoin=x", wrong: []string{`option "regoin" is unknown; there are: bucketKey, checksum,`}},
		{rule: "an option twice", url: "s3://my-bucket?region=a&region=b", wrong: []string{"option region is there 2 times"}},
		{rule: "an empty option", url: "s3://my-bucket?region=", wrong: []string{"option region is empty"}},
		{rule: "no truth", url: "s3://my-bucket?pathStyle=yes", wrong: []string{"option pathStyle=yes: want true or false"}},
		{rule: "an endpoint without scheme", url: "s3://my-bucket?endpoint=localhost:7070", wrong: []string{"want http://HOST:PORT"}},
		{rule: "an encryption", url: "s3://my-bucket?sse=kms", wrong: []string{"option sse=kms: want AES256, aws:kms, aws:kms:dsse"}},
		{rule: "a key without KMS", url: "s3://my-bucket?kmsKeyId=x&bucketKey=true", wrong: []string{"kmsKeyId needs sse=aws:kms", "bucketKey needs sse=aws:kms"}},
		{rule: "a class that is slow to read", url: "s3://my-bucket?storageClass.bases=GLACIER", wrong: []string{"could not read it at once"}},
		{rule: "a class that there is not", url: "s3://my-bucket?storageClass.log=FAST", wrong: []string{"want STANDARD, STANDARD_IA"}},
		{rule: "an owner", url: "s3://my-bucket?expectedBucketOwner=me", wrong: []string{"account number of 12 digits"}},
		{rule: "all at once", url: "s3://X?sse=a&b=c", wrong: []string{"option sse=a", `option "b"`, "bucket name"}},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			got, err := ParseURL(c.url)
			if len(c.wrong) == 0 {
				if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
					t.Errorf("error %v, options (-want +got):\n%s", err, diff)
				}
				return
			}
			for _, text := range c.wrong {
				if err == nil || !strings.Contains(err.Error(), text) {
					t.Errorf("got error %v, want one with %q", err, text)
				}
			}
			if err != nil && strings.Contains(err.Error(), "secret@") {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("s3://my-bucket/p?region=a&storageClass.bases=STANDARD")
	f.Add("s3://my-bucket/%2e%2e?endpoint=http://h:1&pathStyle=true")
	f.Fuzz(func(t *testing.T, raw string) {
		o, err := ParseURL(raw)
		if err != nil {
			return
		}
		if o.Prefix != "" && checkpoint.ValidKey(o.Prefix) != nil {
			t.Errorf("prefix %q passed", o.Prefix)
		}
		if again, err := ParseURL(o.String()); err != nil || again.Bucket != o.Bucket || again.Prefix != o.Prefix {
			t.Errorf("%s became %+v, %v", o, again, err)
		}
	})
}

func TestClassesOfKeys(t *testing.T) {
	o := Options{Log: "L", Segments: "S", Bases: "B"}
	for key, want := range map[string]types.StorageClass{
		"app/application": "L", "app/control/00000000000000000000/00000000000000000001": "L", "app/segments/x": "S", "app/bases/x": "B", "segments": "L",
	} {
		if got := o.class(key); got != want {
			t.Errorf("%s gets %q, want %q", key, got, want)
		}
	}
}

func TestPartsAreAtMostTenThousand(t *testing.T) {
	const mib = 1 << 20
	cases := []struct{ size, want int64 }{
		{8*mib + 1, 8 * mib},
		{8 * mib * maxParts, 8 * mib},
		{8*mib*maxParts + 1, 9 * mib},
		{5 << 40, 525 * mib}, // the largest object of S3
	}
	for _, c := range cases {
		got := partSize(8*mib, c.size)
		if got != c.want || (c.size+got-1)/got > maxParts {
			t.Errorf("%d bytes: parts of %d, want %d", c.size, got, c.want)
		}
	}
}

func TestKeysAndObjects(t *testing.T) {
	plain := Bucket{prefix: "p/q/"}
	files := Bucket{prefix: "p/q/", suffix: "!"}
	if got := *plain.object("app/a") + " " + *files.object("app/a"); got != "p/q/app/a p/q/app/a!" {
		t.Errorf("got %s", got)
	}
	for object, want := range map[string]bool{
		"p/q/app/a": true, "p/q/": false, "p/app/a": false, "p/q/app/ä": false, "p/q/app/": false, "p/q/app/a!": false,
	} {
		if _, ok := plain.key(object); ok != want {
			t.Errorf("%s is a key: %v, want %v", object, ok, want)
		}
	}
	if key, ok := files.key("p/q/app/a!"); key != "app/a" || !ok {
		t.Errorf("got %q, %v", key, ok)
	}
	if _, ok := files.key("p/q/app/a"); ok {
		t.Error("an object without the mark is a key")
	}
}

func TestOpenWantsARegion(t *testing.T) {
	var setup *SetupError
	if _, err := Open(Options{Bucket: "my-bucket"}, aws.Config{}); !errors.As(err, &setup) || !strings.Contains(err.Error(), "put region=… into the URL") {
		t.Errorf("got %v", err)
	}
	if _, err := Open(Options{Bucket: "X", Region: "eu-west-1"}, aws.Config{}); !errors.As(err, &setup) {
		t.Errorf("got %v", err)
	}
}

func TestBackoffGrowsAndStaysBounded(t *testing.T) {
	for n := range 70 {
		for _, cause := range checkpoint.RetryCauses {
			d := backoff(n, cause)
			if d < 0 || d > longestPause || (n > 20 && d < longestPause/2) {
				t.Fatalf("attempt %d after %s: %s", n, cause, d)
			}
		}
	}
	if backoff(0, checkpoint.RetryThrottle) < throttlePause/2 || backoff(0, checkpoint.RetryClock) != 0 {
		t.Error("a throttled request waits at first, one with another clock does not")
	}
}
