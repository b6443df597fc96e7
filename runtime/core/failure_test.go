package core

import (
	"strings"
	"testing"
	"unicode/utf8"
	"unsafe"
)

// A reason quotes what a function said, which may be large: what is kept of it must neither hold the rest nor end in half a letter.
func TestAFailureKeepsTheBeginningOfAReason(t *testing.T) {
	long := strings.Repeat("€", 1<<20)
	f := &Failure{}
	f.note(1, long)
	f.note(2, long)
	if len(f.Reasons) != 1 {
		t.Fatalf("%d reasons, want one: they are equal", len(f.Reasons))
	}
	got := f.Reason()
	if len(got) > failureReasonLen || len(got) < failureReasonLen-utf8.UTFMax || !utf8.ValidString(got) || !strings.HasPrefix(long, got) {
		t.Errorf("%d bytes %q", len(got), got)
	}
	if unsafe.StringData(got) == unsafe.StringData(long) {
		t.Error("the beginning of the reason holds all of it in memory")
	}
}
