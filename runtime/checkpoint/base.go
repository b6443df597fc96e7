package checkpoint

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateway/stateway/runtime/core"
)

// Base is a full copy of a shard's Pebble files at a checkpoint.
type Base struct {
	Shard      core.ShardID
	Checkpoint core.CheckpointID
	NextSeq    core.Seq // of the shard, at that checkpoint
	Format     uint64   // Pebble's format major version
	Files      []BaseFile
}

// BaseFile is one of a base's files. Several bases of a shard may share an object.
type BaseFile struct {
	File   string   // name in the folder of the database
	Object string   // name within the application's folder; empty for a file without bytes
	Size   int64    // in bytes
	Sum    [16]byte // the first half of the SHA-256 of its bytes
}

// Size is the sum of the sizes of the base's files, in bytes; zero for a nil base.
func (b *Base) Size() int64 {
	if b == nil {
		return 0
	}
	n := int64(0)
	for i := range b.Files {
		n += b.Files[i].Size
	}
	return n
}

func (b *Base) append(buf []byte) []byte {
	buf = binary.AppendUvarint(buf, uint64(b.Shard))
	buf = binary.AppendUvarint(buf, uint64(b.Checkpoint))
	buf = binary.AppendUvarint(buf, uint64(b.NextSeq))
	buf = binary.AppendUvarint(buf, b.Format)
	buf = binary.AppendUvarint(buf, uint64(len(b.Files)))
	for i := range b.Files {
		f := &b.Files[i]
		buf = appendString(buf, f.File)
		buf = appendString(buf, f.Object)
		buf = binary.AppendUvarint(buf, uint64(f.Size)) //nolint:gosec // not negative
		buf = append(buf, f.Sum[:]...)
	}
	return buf
}

func decodeBase(d *decoder, shards int) *Base {
	b := &Base{
		Shard:      core.ShardID(d.below(uint64(shards), "base's shard")), //nolint:gosec // at most core.MaxShards
		Checkpoint: core.CheckpointID(d.uvarint("base's checkpoint")),
		NextSeq:    core.Seq(d.uvarint("base's next sequence number")),
		Format:     d.uvarint("base's format"),
	}
	for i := range d.count(19, "base files") {
		f := BaseFile{
			File:   d.string("base file's name"),
			Object: d.string("base file's object"),
			Size:   d.size("base file's size"),
		}
		copy(f.Sum[:], d.take(16, "base file's checksum"))
		if d.err == nil && !safeFile(f.File) {
			d.fail("base of shard %d: %q is no name of a file", b.Shard, f.File)
		}
		if _, ok := parseObjectName(f.Object); d.err == nil && ok == (f.Size == 0) {
			d.fail("base of shard %d: file %s of %d bytes in object %q", b.Shard, f.File, f.Size, f.Object)
		}
		if i > 0 && f.File <= b.Files[i-1].File {
			d.fail("base of shard %d: files are not in ascending order", b.Shard)
		}
		if d.err != nil {
			return b
		}
		b.Files = append(b.Files, f)
	}
	return b
}

// safeFile reports whether a name stays within the folder in which it is created.
func safeFile(name string) bool {
	return name != "" && len(name) <= maxKeyPart && name[0] != '.' && keyChars(name)
}

// BaseSource is a Pebble checkpoint on a disk: a flat folder whose files do not change any more.
type BaseSource struct {
	FS         vfs.FS
	Dir        string
	Shard      core.ShardID
	Checkpoint core.CheckpointID // exactly what the database holds
	NextSeq    core.Seq
	Format     uint64 // Pebble's format major version
}

// UploadBase uploads the files of src that prev does not hold already, under names of generation g.
// Prev is the shard's base in the last committed manifest, or nil: never a base that was uploaded but
// not committed. A file counts as held only if its bytes have the same SHA-256, for databases that
// went apart use the same file names. After an error nothing refers to what was uploaded.
func (a *Application) UploadBase(ctx context.Context, g core.Generation, src BaseSource, prev *Base) (*Base, error) {
	names, err := src.FS.List(src.Dir)
	if err != nil {
		return nil, fmt.Errorf("upload base of shard %d: list %s: %w", src.Shard, src.Dir, err)
	}
	slices.Sort(names)
	b := &Base{Shard: src.Shard, Checkpoint: src.Checkpoint, NextSeq: src.NextSeq, Format: src.Format}
	for _, name := range names {
		if strings.HasSuffix(name, ".log") {
			if err := emptyLog(src, name); err != nil {
				return nil, fmt.Errorf("upload base of shard %d: file %s: %w", src.Shard, name, err)
			}
			continue
		}
		f, err := a.uploadBaseFile(ctx, g, src, name, prev)
		if err != nil {
			return nil, fmt.Errorf("upload base of shard %d: file %s: %w", src.Shard, name, err)
		}
		b.Files = append(b.Files, f)
	}
	return b, nil
}

// emptyLog checks that a write-ahead log, which a base leaves out, holds nothing.
func emptyLog(src BaseSource, name string) error {
	info, err := src.FS.Stat(src.FS.PathJoin(src.Dir, name))
	if err == nil && info.Size() > 0 {
		err = fmt.Errorf("a write-ahead log of %d bytes: want a database that runs without one and was flushed", info.Size())
	}
	return err
}

func (a *Application) uploadBaseFile(ctx context.Context, g core.Generation, src BaseSource, name string, prev *Base) (BaseFile, error) {
	if !safeFile(name) {
		return BaseFile{}, fmt.Errorf("unexpected name")
	}
	file, err := src.FS.Open(src.FS.PathJoin(src.Dir, name))
	if err != nil {
		return BaseFile{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return BaseFile{}, err
	}
	if info.IsDir() {
		return BaseFile{}, fmt.Errorf("it is a folder: want a flat copy of the database")
	}
	f := BaseFile{File: name, Size: info.Size()}
	if f.Sum, err = sumFile(file, f.Size); err != nil {
		return BaseFile{}, err
	}
	if f.Size == 0 {
		return f, nil
	}
	if f.Object = prev.holds(f); f.Object != "" {
		return f, nil
	}
	random, err := drawRandom(a.opt.Random)
	if err != nil {
		return BaseFile{}, err
	}
	f.Object = baseFileName(g, src.Shard, random)
	return f, a.createFresh(ctx, f.Object, file, f.Size)
}

// holds returns the object that holds the bytes of f, or an empty string.
func (b *Base) holds(f BaseFile) string {
	if b == nil {
		return ""
	}
	for i := range b.Files {
		if b.Files[i].Size == f.Size && b.Files[i].Sum == f.Sum {
			return b.Files[i].Object
		}
	}
	return ""
}

func sumFile(r io.ReaderAt, size int64) ([16]byte, error) {
	h := sha256.New()
	n, err := io.Copy(h, io.NewSectionReader(r, 0, size))
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	return halfSum(h.Sum(nil)), err
}

func halfSum(sum []byte) (half [16]byte) {
	copy(half[:], sum)
	return half
}
