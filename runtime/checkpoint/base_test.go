package checkpoint_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/membucket"
	"github.com/stateway/stateway/runtime/core"
)

// baseFolder makes a folder as a database would look like that holds a shard's rows: one file per row.
func baseFolder(t testing.TB, rows map[string]string, shard core.ShardID) (vfs.FS, string) {
	fs := vfs.NewMem()
	if err := fs.MkdirAll("db", 0o755); err != nil {
		t.Fatal(err)
	}
	prefix := fmt.Sprintf("%d/", shard)
	for key, value := range rows {
		if strings.HasPrefix(key, prefix) {
			writeFile(t, fs, "db/"+strings.ReplaceAll(key, "/", "_"), value)
		}
	}
	writeFile(t, fs, "db/CURRENT", "")
	return fs, "db"
}

func writeFile(t testing.TB, fs vfs.FS, name, body string) {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = f.Write([]byte(body))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, fs vfs.FS, name string) string {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// readBaseFolder restores a base that baseFolder made and adds its rows.
func readBaseFolder(w *world, b *checkpoint.Base, rows map[string]string) {
	w.t.Helper()
	fs := vfs.NewMem()
	w.must(w.app.RestoreBase(w.t.Context(), b, fs, "restored"))
	names, err := fs.List("restored")
	w.must(err)
	for _, name := range names {
		if name != "CURRENT" {
			rows[strings.ReplaceAll(name, "_", "/")] = readFile(w.t, fs, "restored/"+name)
		}
	}
}

func TestBaseUploadsOnlyWhatThePreviousLacks(t *testing.T) {
	w := newWorld(t, 4)
	fs := vfs.NewMem()
	w.must(fs.MkdirAll("db", 0o755))
	writeFile(t, fs, "db/000001.sst", "one")
	writeFile(t, fs, "db/000002.sst", "two")
	writeFile(t, fs, "db/marker", "")
	src := checkpoint.BaseSource{FS: fs, Dir: "db", Shard: 2, Checkpoint: 5, NextSeq: 9, Format: 24}
	upload := func(prev *checkpoint.Base) (*checkpoint.Base, int) {
		before, err := w.bucket.List(t.Context(), "shop/bases/", "", 100)
		w.must(err)
		b, err := w.app.UploadBase(t.Context(), 3, src, prev)
		w.must(err)
		after, err := w.bucket.List(t.Context(), "shop/bases/", "", 100)
		w.must(err)
		return b, len(after) - len(before)
	}
	first, n := upload(nil)
	if n != 2 || first.Size() != 6 || len(first.Files) != 3 || first.Files[2].Object != "" {
		t.Fatalf("%d objects for %+v", n, first)
	}
	again, n := upload(first)
	if n != 0 || again.Files[0] != first.Files[0] {
		t.Fatalf("%d objects for an unchanged folder", n)
	}
	// A database that went apart uses the same name and size for other bytes.
	writeFile(t, fs, "db/000002.sst", "TWO")
	changed, n := upload(first)
	if n != 1 || changed.Files[0] != first.Files[0] || changed.Files[1].Object == first.Files[1].Object {
		t.Fatalf("%d objects for one changed file: %+v", n, changed)
	}
	disk := vfs.NewMem()
	w.must(w.app.RestoreBase(t.Context(), changed, disk, "back/here"))
	names, err := disk.List("back/here")
	w.must(err)
	slices.Sort(names)
	if !slices.Equal(names, []string{"000001.sst", "000002.sst", "marker"}) || readFile(t, disk, "back/here/000002.sst") != "TWO" {
		t.Fatalf("restored %q", names)
	}
	if err := w.app.RestoreBase(t.Context(), changed, disk, "back/here"); err == nil {
		t.Fatal("a base was restored over another")
	}
}

func TestDamagedBaseIsNotRestored(t *testing.T) {
	w := newWorld(t, 4)
	fs, dir := baseFolder(t, map[string]string{"1/a": strings.Repeat("x", 100)}, 1)
	b, err := w.app.UploadBase(t.Context(), 1, checkpoint.BaseSource{FS: fs, Dir: dir, Shard: 1}, nil)
	w.must(err)
	key := "shop/" + b.Files[0].Object
	for name, change := range map[string]func([]byte) []byte{
		"flipped": func(b []byte) []byte { b[50] ^= 1; return b },
		"shorter": func(b []byte) []byte { return b[:99] },
		"empty":   func([]byte) []byte { return nil },
	} {
		good := readObject(w, key)
		w.bucket.Under.Damage(key, change)
		err := w.app.RestoreBase(t.Context(), b, vfs.NewMem(), "db")
		var damage *checkpoint.DamageError
		if !errors.As(err, &damage) || damage.Object != key {
			t.Errorf("%s: %v", name, err)
		}
		w.bucket.Under.Damage(key, func([]byte) []byte { return good })
	}
	w.must(w.bucket.Delete(t.Context(), key))
	if err := w.app.RestoreBase(t.Context(), b, vfs.NewMem(), "db"); !errors.Is(err, checkpoint.ErrDamaged) {
		t.Errorf("deleted: %v", err)
	}
}

func readObject(w *world, key string) []byte {
	w.t.Helper()
	b, err := w.bucket.Read(w.t.Context(), key)
	w.must(err)
	return b
}

func TestUploadSurvivesALostAnswer(t *testing.T) {
	w := newWorld(t, 4)
	for name, fault := range map[string]membucket.Fault{"before": {Before: membucket.ErrInjected}, "after": {After: membucket.ErrInjected}} {
		w.bucket.Hook = once(membucket.OpCreateFrom, fault)
		sw, err := w.app.NewSegment(1, 1, 0)
		w.must(err)
		addRows(t, sw, map[core.ShardID][]core.Row{0: {row("a", "b")}})
		if _, err := sw.Upload(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		w.bucket.Hook = times(2, membucket.OpCreateFrom, fault)
		sw, err = w.app.NewSegment(1, 1, 0)
		w.must(err)
		addRows(t, sw, map[core.ShardID][]core.Row{0: {row("a", "b")}})
		if _, err := sw.Upload(t.Context()); !errors.Is(err, checkpoint.ErrUnknownOutcome) {
			t.Errorf("%s twice: %v", name, err)
		}
	}
}

// A real Pebble checkpoint goes into the bucket and comes back as a database with the same rows.
func TestPebbleCheckpointAsBase(t *testing.T) {
	w := newWorld(t, 4)
	fs := vfs.NewMem()
	db, err := pebble.Open("live", &pebble.Options{FS: fs, DisableWAL: true, FormatMajorVersion: pebble.FormatNewest, Logger: quiet{}})
	w.must(err)
	want := map[string]string{}
	var prev *checkpoint.Base
	for round := range 3 {
		for i := range 200 {
			key, value := fmt.Sprintf("%d/%03d", round, i), strings.Repeat(fmt.Sprint(i), 50)
			want[key] = value
			w.must(db.Set([]byte(key), []byte(value), pebble.NoSync))
		}
		w.must(db.Flush())
		dir := fmt.Sprintf("copy-%d", round)
		w.must(db.Checkpoint(dir))
		b, err := w.app.UploadBase(t.Context(), 1, checkpoint.BaseSource{
			FS: fs, Dir: dir, Checkpoint: core.CheckpointID(round + 1), Format: uint64(db.FormatMajorVersion()),
		}, prev)
		w.must(err)
		prev = b
	}
	w.must(db.Close())
	disk := vfs.NewMem()
	w.must(w.app.RestoreBase(t.Context(), prev, disk, "db"))
	back, err := pebble.Open("db", &pebble.Options{FS: disk, DisableWAL: true, FormatMajorVersion: pebble.FormatMajorVersion(prev.Format), Logger: quiet{}})
	w.must(err)
	defer back.Close()
	it, err := back.NewIter(nil)
	w.must(err)
	got := map[string]string{}
	for it.First(); it.Valid(); it.Next() {
		got[string(it.Key())] = string(it.Value())
	}
	w.must(it.Close())
	if !maps.Equal(got, want) {
		t.Fatalf("%d rows came back, want %d", len(got), len(want))
	}
}

type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

func TestBaseLeavesOutOnlyAnEmptyLog(t *testing.T) {
	w := newWorld(t, 4)
	fs := vfs.NewMem()
	w.must(fs.MkdirAll("db", 0o755))
	writeFile(t, fs, "db/000001.sst", "one")
	writeFile(t, fs, "db/000002.log", "")
	src := checkpoint.BaseSource{FS: fs, Dir: "db"}
	b, err := w.app.UploadBase(t.Context(), 1, src, nil)
	if err != nil || len(b.Files) != 1 {
		t.Fatalf("%+v, %v", b, err)
	}
	writeFile(t, fs, "db/000002.log", "rows")
	if _, err := w.app.UploadBase(t.Context(), 1, src, nil); err == nil || !strings.Contains(err.Error(), "write-ahead log of 4 bytes") {
		t.Fatalf("a log that holds something was left out: %v", err)
	}
}

// memFile is a file that RestoreBaseFiles fills.
type memFile struct {
	bytes.Buffer
	closed bool
}

func (f *memFile) Close() error { f.closed = true; return nil }

// slowFile becomes durable when it is told to.
type slowFile struct {
	bytes.Buffer
	durable chan error
}

func (f *slowFile) Close() error { return <-f.durable }

// While the disk makes a file durable the next ones are read; nothing is done before all are, and what one of them meets is told.
func TestFilesOfABaseBecomeDurableSideBySide(t *testing.T) {
	w := newWorld(t, 4)
	fs, dir := baseFolder(t, map[string]string{"1/a": "x", "1/b": "y"}, 1)
	b, err := w.app.UploadBase(t.Context(), 1, checkpoint.BaseSource{FS: fs, Dir: dir, Shard: 1}, nil)
	w.must(err)
	for _, disk := range []error{nil, errors.New("the disk is full")} {
		durable, created, done := make(chan error), make(chan string, len(b.Files)), make(chan error, 1)
		go func() {
			done <- w.app.RestoreBaseFiles(t.Context(), b, func(name string) (io.WriteCloser, error) {
				created <- name
				return &slowFile{durable: durable}, nil
			})
		}()
		for range b.Files {
			<-created
		}
		durable <- disk
		for range len(b.Files) - 1 {
			select {
			case err := <-done:
				t.Fatalf("it returned before all files were durable: %v", err)
			case durable <- nil:
			}
		}
		if err := <-done; !errors.Is(err, disk) || (disk == nil) != (err == nil) {
			t.Errorf("got %v, want %v", err, disk)
		}
	}
}

func TestRestoreBaseFiles(t *testing.T) {
	w := newWorld(t, 4)
	fs, dir := baseFolder(t, map[string]string{"1/a": strings.Repeat("x", 100), "1/b": "y"}, 1)
	b, err := w.app.UploadBase(t.Context(), 1, checkpoint.BaseSource{FS: fs, Dir: dir, Shard: 1}, nil)
	w.must(err)
	files := map[string]*memFile{}
	create := func(name string) (io.WriteCloser, error) {
		files[name] = &memFile{}
		return files[name], nil
	}
	w.must(w.app.RestoreBaseFiles(t.Context(), b, create))
	for name, want := range map[string]string{"1_a": strings.Repeat("x", 100), "1_b": "y", "CURRENT": ""} {
		if f := files[name]; f == nil || !f.closed || f.String() != want {
			t.Errorf("file %s: %+v", name, f)
		}
	}
	w.bucket.Under.Damage("shop/"+b.Files[0].Object, func(b []byte) []byte { b[0] ^= 1; return b })
	if err := w.app.RestoreBaseFiles(t.Context(), b, create); !errors.Is(err, checkpoint.ErrDamaged) || !files[b.Files[0].File].closed {
		t.Fatalf("a damaged file: %v", err)
	}
}
