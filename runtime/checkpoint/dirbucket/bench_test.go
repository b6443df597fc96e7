package dirbucket_test

import (
	"fmt"
	"testing"

	"github.com/stateway/stateway/runtime/checkpoint/dirbucket"
)

func BenchmarkCreate(b *testing.B) {
	bucket, err := dirbucket.Open(b.TempDir(), dirbucket.Options{})
	if err != nil {
		b.Fatal(err)
	}
	body := make([]byte, 1000)
	n := 0
	for b.Loop() {
		n++
		if err := bucket.Create(b.Context(), fmt.Sprintf("app/control/%020d/%020d", n/4096, n), body); err != nil {
			b.Fatal(err)
		}
	}
}
