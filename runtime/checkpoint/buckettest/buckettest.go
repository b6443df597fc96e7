// Package buckettest is the conformance suite of checkpoint.Bucket. Every implementation passes it.
package buckettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stateway/stateway/runtime/checkpoint"
)

// Open returns a bucket for one test: empty when first called with a *testing.T, and another handle
// on the same objects, as another process would have, when called again with it.
type Open func(t *testing.T) checkpoint.Bucket

// Run runs the suite.
func Run(t *testing.T, open Open) {
	tests := []struct {
		name string
		run  func(*testing.T, Open)
	}{
		{"an object reads back whole and by range", testRead},
		{"a range is passed on", testReadTo},
		{"a taken key gives ErrExists and keeps its object", testExists},
		{"of concurrent creates exactly one wins", testRace},
		{"the same create again tells what a lost answer left open", testRetry},
		{"an object of 17 MiB", testBig},
		{"list gives pages in order", testList},
		{"list follows the order of bytes, not of folders", testListOrder},
		{"a deleted object is gone, and deleting it again is nothing", testDelete},
		{"an invalid key is refused by everything", testKeys},
		{"entries of a control log are not deleted one by one", testLogDelete},
		{"a deleted folder leaves a marker and nothing else", testDeleteFolder},
		{"a cancelled context stops every request", testCancelled},
		{"bodies and answers are nobody else's", testOwnership},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, open) })
	}
}

func create(t *testing.T, b checkpoint.Bucket, key, body string) {
	t.Helper()
	if err := b.Create(t.Context(), key, []byte(body)); err != nil {
		t.Fatal(err)
	}
}

func wantBody(t *testing.T, b checkpoint.Bucket, key, want string) {
	t.Helper()
	got, err := b.Read(t.Context(), key)
	if err != nil || string(got) != want {
		t.Fatalf("read %s: %.60q, %v; want %.60q", key, got, err, want)
	}
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("%s: got error %v, want %v", what, got, want)
	}
}

func testRead(t *testing.T, open Open) {
	b := open(t)
	ctx := t.Context()
	_, err := b.Read(ctx, "app/missing")
	wantErr(t, "read a missing object", err, checkpoint.ErrNotFound)
	_, err = b.ReadRange(ctx, "app/missing", 0, 1)
	wantErr(t, "read a range of a missing object", err, checkpoint.ErrNotFound)

	create(t, b, "app/object", "0123456789")
	create(t, b, "app/empty", "")
	other := open(t)
	wantBody(t, other, "app/object", "0123456789")
	wantBody(t, other, "app/empty", "")
	_, err = b.Read(ctx, "app")
	wantErr(t, "read what is only a prefix", err, checkpoint.ErrNotFound)
	_, err = b.Read(ctx, "app/object/below")
	wantErr(t, "read below an object", err, checkpoint.ErrNotFound)

	for _, r := range []struct {
		off, n int64
		want   string
	}{{0, 10, "0123456789"}, {3, 4, "3456"}, {9, 1, "9"}} {
		got, err := b.ReadRange(ctx, "app/object", r.off, r.n)
		if err != nil || string(got) != r.want {
			t.Errorf("range %d+%d: %q, %v; want %q", r.off, r.n, got, err, r.want)
		}
	}
	for _, r := range [][2]int64{{0, 11}, {10, 1}, {11, 1}, {5, 6}, {-1, 2}, {0, 0}, {1 << 62, 1 << 62}} {
		_, err := b.ReadRange(ctx, "app/object", r[0], r[1])
		wantErr(t, fmt.Sprintf("range %d+%d", r[0], r[1]), err, checkpoint.ErrRange)
	}
}

func testReadTo(t *testing.T, open Open) {
	b := open(t)
	body := make([]byte, 1<<20+13)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(body) // never fails
	if err := b.Create(t.Context(), "app/object", body); err != nil {
		t.Fatal(err)
	}
	size := int64(len(body))
	for _, r := range [][2]int64{{0, size}, {0, 1}, {size - 1, 1}, {12345, 678901}} {
		var got bytes.Buffer
		if err := b.ReadTo(t.Context(), "app/object", r[0], r[1], &got); err != nil || !bytes.Equal(got.Bytes(), body[r[0]:r[0]+r[1]]) {
			t.Errorf("range %d+%d: %d bytes, %v", r[0], r[1], got.Len(), err)
		}
	}
	var none bytes.Buffer
	for _, r := range [][2]int64{{0, size + 1}, {size, 1}, {-1, 2}, {0, 0}, {1 << 62, 1 << 62}} {
		wantErr(t, fmt.Sprintf("range %d+%d", r[0], r[1]), b.ReadTo(t.Context(), "app/object", r[0], r[1], &none), checkpoint.ErrRange)
	}
	wantErr(t, "a missing object", b.ReadTo(t.Context(), "app/missing", 0, 1, &none), checkpoint.ErrNotFound)
	if none.Len() > 0 {
		t.Errorf("%d bytes came of what is not there", none.Len())
	}
	full := &fullWriter{room: 1000}
	wantErr(t, "a writer that is full", b.ReadTo(t.Context(), "app/object", 0, size, full), errFull)
	if full.refused != 1 {
		t.Errorf("a writer that is full was written to %d times more", full.refused-1)
	}
}

// fullWriter takes so many bytes.
type fullWriter struct{ room, refused int }

var errFull = errors.New("full")

func (w *fullWriter) Write(b []byte) (int, error) {
	if w.room -= len(b); w.room < 0 {
		w.refused++
		return 0, errFull
	}
	return len(b), nil
}

func testExists(t *testing.T, open Open) {
	b, other := open(t), open(t)
	create(t, b, "app/a", "first")
	wantErr(t, "create again", b.Create(t.Context(), "app/a", []byte("second")), checkpoint.ErrExists)
	wantErr(t, "create again elsewhere", other.Create(t.Context(), "app/a", []byte("first")), checkpoint.ErrExists)
	wantErr(t, "create from", other.CreateFrom(t.Context(), "app/a", strings.NewReader("third"), 5), checkpoint.ErrExists)
	wantBody(t, b, "app/a", "first")
}

func testRace(t *testing.T, open Open) {
	const rounds, racers = 20, 6
	handles := make([]checkpoint.Bucket, racers)
	for i := range handles {
		handles[i] = open(t)
	}
	for round := range rounds {
		key := fmt.Sprintf("app/folder-%d/raced", round)
		errs := make([]error, racers)
		var wg sync.WaitGroup
		for i := range racers {
			wg.Go(func() {
				errs[i] = handles[i].Create(context.Background(), key, []byte{byte(i)})
			})
		}
		wg.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner < 0:
				winner = i
			case err == nil:
				t.Fatalf("racers %d and %d both created %s", winner, i, key)
			case !errors.Is(err, checkpoint.ErrExists):
				t.Fatalf("racer %d: %v", i, err)
			}
		}
		if winner < 0 {
			t.Fatalf("nobody created %s: %v", key, errs)
		}
		wantBody(t, handles[0], key, string([]byte{byte(winner)}))
	}
}

func testRetry(t *testing.T, open Open) {
	b := open(t)
	// Whoever lost the answer tries again and reads back.
	create(t, b, "app/mine", "mine")
	wantErr(t, "retry", b.Create(t.Context(), "app/mine", []byte("mine")), checkpoint.ErrExists)
	wantBody(t, b, "app/mine", "mine")
}

func testBig(t *testing.T, open Open) {
	b := open(t)
	body := make([]byte, 17<<20+13)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(body) // never fails
	if err := b.CreateFrom(t.Context(), "app/big", bytes.NewReader(body), int64(len(body))); err != nil {
		t.Fatal(err)
	}
	got, err := b.Read(t.Context(), "app/big")
	if err != nil || !bytes.Equal(got, body) {
		t.Fatalf("read back %d bytes, %v; want %d equal ones", len(got), err, len(body))
	}
	got, err = b.ReadRange(t.Context(), "app/big", 16<<20, 1<<20)
	if err != nil || !bytes.Equal(got, body[16<<20:17<<20]) {
		t.Fatalf("range: %d bytes, %v", len(got), err)
	}
	short := bytes.NewReader(body[:100])
	if err := b.CreateFrom(t.Context(), "app/short", short, 200); err == nil {
		t.Fatal("a body shorter than announced was created")
	}
	_, err = b.Read(t.Context(), "app/short")
	wantErr(t, "read what was not created", err, checkpoint.ErrNotFound)
}

func list(t *testing.T, b checkpoint.Bucket, prefix, after string, limit int) []string {
	t.Helper()
	keys, err := b.List(t.Context(), prefix, after, limit)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func testList(t *testing.T, open Open) {
	b := open(t)
	if got := list(t, b, "app/x/", "", 10); len(got) != 0 {
		t.Fatalf("an empty bucket lists %q", got)
	}
	var all []string
	for i := range 25 {
		all = append(all, fmt.Sprintf("app/x/%02d", i))
		create(t, b, all[i], "")
	}
	create(t, b, "app/y/00", "")
	create(t, b, "app/wx", "")
	create(t, b, "other/x/00", "")
	var got []string
	after := ""
	for {
		page := list(t, b, "app/x/", after, 10)
		got = append(got, page...)
		if len(page) < 10 {
			break
		}
		after = page[len(page)-1]
	}
	if !slices.Equal(got, all) {
		t.Fatalf("pages: got %q, want %q", got, all)
	}
	if got := list(t, b, "app/x/1", "app/x/17", 10); !slices.Equal(got, all[18:20]) {
		t.Fatalf("part of a name as prefix: got %q, want %q", got, all[18:20])
	}
	if got := list(t, b, "app/x/", "app/x/24", 10); len(got) != 0 {
		t.Fatalf("behind the last: %q", got)
	}
	if got := list(t, b, "app/x/", "app", 2); !slices.Equal(got, all[:2]) {
		t.Fatalf("after a key before the prefix: %q", got)
	}
	if got := list(t, b, "", "app/y/00", 10); !slices.Equal(got, []string{"other/x/00"}) {
		t.Fatalf("no prefix: %q", got)
	}
}

func testListOrder(t *testing.T, open Open) {
	b := open(t)
	want := []string{"a-b/c", "a.d", "a/b/c", "a/b0", "a/c", "a0/b", "b"}
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(len(want)) {
		create(t, b, want[i], "")
	}
	if got := list(t, b, "", "", 100); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i, after := range want {
		if got := list(t, b, "", after, 1); !slices.Equal(got, want[i+1:min(i+2, len(want))]) {
			t.Errorf("after %q: got %q", after, got)
		}
	}
	if got := list(t, b, "a", "", 100); !slices.Equal(got, want[:6]) {
		t.Fatalf("prefix a: got %q, want %q", got, want[:6])
	}
}

func testDelete(t *testing.T, open Open) {
	b, other := open(t), open(t)
	create(t, b, "app/a", "1")
	create(t, b, "app/b", "2")
	for range 2 {
		if err := other.Delete(t.Context(), "app/a"); err != nil {
			t.Fatal(err)
		}
	}
	_, err := b.Read(t.Context(), "app/a")
	wantErr(t, "read a deleted object", err, checkpoint.ErrNotFound)
	wantBody(t, b, "app/b", "2")
	if err := b.Delete(t.Context(), "app"); err != nil {
		t.Fatalf("delete what is only a prefix: %v", err)
	}
	if err := b.Delete(t.Context(), "nothing/below/here"); err != nil {
		t.Fatalf("delete where there is nothing: %v", err)
	}
	wantBody(t, b, "app/b", "2")
}

func testKeys(t *testing.T, open Open) {
	b := open(t)
	ctx := t.Context()
	long := strings.Repeat("k", 201)
	for _, key := range []string{"", "/", "/a", "a/", "a//b", ".", "..", "a/../b", ".tmp/a", "a/.b", "a b", "a\x00", "ä", "a\\b", "a:b", long, strings.Repeat("a/", 300) + "a"} {
		_, read := b.Read(ctx, key)
		_, ranged := b.ReadRange(ctx, key, 0, 1)
		for what, err := range map[string]error{
			"create": b.Create(ctx, key, nil), "create from": b.CreateFrom(ctx, key, strings.NewReader(""), 0),
			"read": read, "read range": ranged, "read to": b.ReadTo(ctx, key, 0, 1, io.Discard), "delete": b.Delete(ctx, key), "delete folder": b.DeleteFolder(ctx, key),
		} {
			wantErr(t, fmt.Sprintf("%s %q", what, key), err, checkpoint.ErrKey)
		}
	}
	for _, prefix := range []string{"/", "a//", "../", "a b"} {
		_, err := b.List(ctx, prefix, "", 1)
		wantErr(t, "list "+prefix, err, checkpoint.ErrKey)
	}
	if got := list(t, b, "", "", 10); len(got) != 0 {
		t.Fatalf("something was created: %q", got)
	}
}

const folder = "app/control/00000000000000000000"

func entry(n int) string { return fmt.Sprintf("%s/%020d", folder, n) }

func testLogDelete(t *testing.T, open Open) {
	b := open(t)
	create(t, b, entry(1), "claim")
	wantErr(t, "delete an entry", b.Delete(t.Context(), entry(1)), checkpoint.ErrKey)
	wantBody(t, b, entry(1), "claim")
	if err := b.DeleteFolder(t.Context(), folder); err != nil {
		t.Fatal(err)
	}
	wantErr(t, "delete a marker", b.Delete(t.Context(), folder), checkpoint.ErrKey)
	wantBody(t, b, folder, "")
}

func testDeleteFolder(t *testing.T, open Open) {
	b, other := open(t), open(t)
	ctx := t.Context()
	for i := range 10 {
		create(t, b, entry(i+1), "entry")
	}
	create(t, b, "app/controls", "stays")
	_, err := b.Read(ctx, folder)
	wantErr(t, "read the marker before", err, checkpoint.ErrNotFound)
	for range 2 {
		if err := b.DeleteFolder(ctx, folder); err != nil {
			t.Fatal(err)
		}
		wantBody(t, other, folder, "")
		for i := range 10 {
			_, err := other.Read(ctx, entry(i+1))
			wantErr(t, "read an entry", err, checkpoint.ErrNotFound)
			_, err = other.ReadRange(ctx, entry(i+1), 0, 1)
			wantErr(t, "read an entry's first byte", err, checkpoint.ErrNotFound)
		}
	}
	if got, want := list(t, b, "app/", "", 10), []string{folder, "app/controls"}; !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	// A create below it may fail with ErrExists or work, but nothing else.
	if err := other.Create(ctx, entry(3), []byte("late")); err != nil {
		wantErr(t, "create below the marker", err, checkpoint.ErrExists)
	}
	wantBody(t, b, folder, "")
	if err := b.DeleteFolder(ctx, "app/never"); err != nil {
		t.Fatalf("delete a folder without objects: %v", err)
	}
	wantBody(t, b, "app/never", "")
}

func testCancelled(t *testing.T, open Open) {
	b := open(t)
	create(t, b, "app/a", "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, read := b.Read(ctx, "app/a")
	_, ranged := b.ReadRange(ctx, "app/a", 0, 1)
	_, listed := b.List(ctx, "app/", "", 1)
	for what, err := range map[string]error{
		"create": b.Create(ctx, "app/b", nil), "create from": b.CreateFrom(ctx, "app/b", strings.NewReader("x"), 1),
		"read": read, "read range": ranged, "read to": b.ReadTo(ctx, "app/a", 0, 1, io.Discard), "list": listed, "delete": b.Delete(ctx, "app/a"), "delete folder": b.DeleteFolder(ctx, "app/c"),
	} {
		wantErr(t, what, err, context.Canceled)
	}
	wantBody(t, b, "app/a", "a")
}

func testOwnership(t *testing.T, open Open) {
	b := open(t)
	body := []byte("body")
	if err := b.Create(t.Context(), "app/a", body); err != nil {
		t.Fatal(err)
	}
	if string(body) != "body" {
		t.Fatalf("create changed the body to %q", body)
	}
	body[0] = 'X'
	got, err := b.Read(t.Context(), "app/a")
	if err != nil {
		t.Fatal(err)
	}
	got[1] = 'X'
	wantBody(t, b, "app/a", "body")
}
