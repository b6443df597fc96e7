package dirbucket_test

import (
	"testing"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/buckettest"
	"github.com/stateway/stateway/runtime/checkpoint/dirbucket"
)

func open(t *testing.T, dir string, opt dirbucket.Options) *dirbucket.Bucket {
	t.Helper()
	b, err := dirbucket.Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConformance(t *testing.T) {
	dirs := make(map[*testing.T]string)
	buckettest.Run(t, func(t *testing.T) checkpoint.Bucket {
		if dirs[t] == "" {
			dirs[t] = t.TempDir() + "/made/on/open"
		}
		return open(t, dirs[t], dirbucket.Options{})
	})
}

func TestConformanceInMemory(t *testing.T) {
	disks := make(map[*testing.T]*dirbucket.Mem)
	buckettest.Run(t, func(t *testing.T) checkpoint.Bucket {
		if disks[t] == nil {
			disks[t] = dirbucket.NewMem()
		}
		return open(t, "/data/bucket", dirbucket.Options{FS: disks[t]})
	})
}
