package shard

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/stateway/stateway/runtime/core"
)

// Meta tells which checkpoint of which application a store holds.
type Meta struct {
	Application core.ApplicationID
	Shard       core.ShardID
	Checkpoint  core.CheckpointID
	NextSeq     core.Seq
	// Lineage names the chain of manifests to which Checkpoint belongs; opaque to this package.
	Lineage string
}

var (
	metaKey    = []byte{0, 'm'}
	typePrefix = []byte{0, 't'}
)

const metaLen = 1 + 16 + 4 + 8 + 8 // bytes before the lineage

var errMeta = errors.New("not the description of a shard's store")

func appendMeta(b []byte, m Meta) []byte {
	b = append(b, Format)
	b = append(b, m.Application[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(m.Shard))
	b = binary.BigEndian.AppendUint64(b, uint64(m.Checkpoint))
	b = binary.BigEndian.AppendUint64(b, uint64(m.NextSeq))
	return append(b, m.Lineage...)
}

func parseMeta(b []byte) (Meta, error) {
	if len(b) == 0 {
		return Meta{}, fmt.Errorf("%w: it is empty", errMeta)
	}
	if b[0] != Format {
		return Meta{}, fmt.Errorf("%w: it has format %d, and this program knows %d", errMeta, b[0], Format)
	}
	if len(b) < metaLen {
		return Meta{}, fmt.Errorf("%w: it has %d bytes", errMeta, len(b))
	}
	m := Meta{
		Shard:      core.ShardID(binary.BigEndian.Uint32(b[17:])),
		Checkpoint: core.CheckpointID(binary.BigEndian.Uint64(b[21:])),
		NextSeq:    core.Seq(binary.BigEndian.Uint64(b[29:])),
		Lineage:    string(b[metaLen:]),
	}
	copy(m.Application[:], b[1:])
	return m, nil
}

// Want says which store of a shard a start may go on with.
type Want struct {
	Base  core.CheckpointID // of the base that the restore point's manifests name; zero if there is none
	Point core.CheckpointID // the restore point
	// Adopted says that the files were named by a manifest of this application. Then they may tell of another one, from
	// which it was forked.
	Adopted bool
	// InChain reports whether checkpoint n of that lineage is one of the restore point's predecessors or itself.
	// Nil takes any lineage of the application.
	InChain func(n core.CheckpointID, lineage string) bool
}

// Usable says why a store with meta cannot be used for shard id of the application; nil if it can.
func Usable(meta Meta, app core.ApplicationID, id core.ShardID, want Want) error {
	switch {
	case meta.Application != app && !want.Adopted:
		return fmt.Errorf("it belongs to application %s, not %s", meta.Application, app)
	case meta.Shard != id:
		return fmt.Errorf("it belongs to shard %d, not %d", meta.Shard, id)
	case meta.Checkpoint < want.Base:
		return fmt.Errorf("it holds checkpoint %d, older than the base at %d", meta.Checkpoint, want.Base)
	case meta.Checkpoint > want.Point:
		return fmt.Errorf("it holds checkpoint %d, newer than the restore point %d", meta.Checkpoint, want.Point)
	case want.InChain != nil && !want.InChain(meta.Checkpoint, meta.Lineage):
		return fmt.Errorf("its checkpoint %d is of another lineage", meta.Checkpoint)
	}
	return nil
}
