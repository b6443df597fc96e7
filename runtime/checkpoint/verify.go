package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Report is what Verify found.
type Report struct {
	State    *State // what was verified; nil if even that could not be read
	Segments int    // read and right
	Sections int
	Rows     uint64
	Files    int   // base files read and right
	Bytes    int64 // of the objects read
	// Problems are the damages found: nil if all is well. Each wraps ErrDamaged.
	Problems []error
}

// Verify reads everything that the newest manifest of an application refers to and checks every
// checksum. Damage goes into the report and does not stop it; the error is for what did, such as a
// bucket that does not answer. It reads one segment, or one piece of a base file, at a time.
func Verify(ctx context.Context, bucket Bucket, name string, opt Options) (Report, error) {
	a, err := OpenApplication(ctx, bucket, name, opt)
	if err != nil {
		return asProblem(Report{}, err)
	}
	log := a.Log()
	tail, err := log.FindTail(ctx, 0)
	if err != nil {
		return asProblem(Report{}, err)
	}
	s, err := log.StateAt(ctx, tail.Restores, 1)
	if err != nil {
		return asProblem(Report{}, err)
	}
	return a.VerifyState(ctx, s)
}

// asProblem puts damage into the report and returns every other error.
func asProblem(r Report, err error) (Report, error) {
	if errors.Is(err, ErrDamaged) {
		r.Problems = append(r.Problems, err)
		return r, nil
	}
	return r, err
}

// VerifyState is Verify for one state, such as that of an older manifest from Log.StateAt. What was
// deleted since counts as damage.
func (a *Application) VerifyState(ctx context.Context, s *State) (Report, error) {
	r := Report{State: s}
	for _, seg := range s.Segments {
		err := a.verifySegment(ctx, seg, &r)
		if r, err = asProblem(r, err); err != nil {
			return r, fmt.Errorf("verify segment %s: %w", seg.Name, err)
		}
	}
	seen := make(map[string]bool)
	for _, b := range s.Bases {
		if b == nil {
			continue
		}
		for i := range b.Files {
			f := &b.Files[i]
			if f.Object == "" || seen[f.Object] {
				continue
			}
			seen[f.Object] = true
			err := a.readBaseFile(ctx, f, io.Discard)
			if err == nil {
				r.Files++
				r.Bytes += f.Size
			}
			if r, err = asProblem(r, err); err != nil {
				return r, fmt.Errorf("verify base of shard %d: %w", b.Shard, err)
			}
		}
	}
	return r, nil
}

func (a *Application) verifySegment(ctx context.Context, s *Segment, r *Report) error {
	if _, err := a.readSegment(ctx, s); err != nil {
		return err
	}
	r.Segments++
	r.Sections += len(s.Sections)
	r.Bytes += s.Length
	for i := range s.Sections {
		r.Rows += s.Sections[i].Rows
	}
	return nil
}

// readSegment reads a whole segment and checks everything in it.
func (a *Application) readSegment(ctx context.Context, s *Segment) ([]byte, error) {
	key := a.key(s.Name)
	b, err := a.bucket.ReadRange(ctx, key, 0, s.Length)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrRange) {
		return nil, damaged(key, 0, "the manifest names it with %d bytes: %v", s.Length, err)
	}
	if err != nil {
		return nil, err
	}
	for i := range s.Sections {
		ref := &s.Sections[i]
		section, err := decodeSection(key, b[ref.Offset:][:ref.Length], ref, s.Checkpoint)
		if err != nil {
			return nil, err
		}
		section.Release()
	}
	generation, whole, err := decodeSegmentFrame(key, b, a.ID)
	if err != nil {
		return nil, err
	}
	named, _ := parseObjectName(s.Name)
	if generation != named || whole.Checkpoint != s.Checkpoint || whole.Node != s.Node {
		return nil, damaged(key, 0, "it is of generation %d, checkpoint %d, node %d, the manifest says %d, %d, %d",
			generation, whole.Checkpoint, whole.Node, named, s.Checkpoint, s.Node)
	}
	for i := range s.Sections {
		if got, ok := whole.Section(s.Sections[i].Shard); !ok || got != s.Sections[i] {
			return nil, damaged(key, 0, "its index and the manifest do not agree about shard %d", s.Sections[i].Shard)
		}
	}
	if whole.Checksum != s.Checksum {
		return nil, damaged(key, 0, "checksum of the object is %08x, the manifest says %08x", whole.Checksum, s.Checksum)
	}
	return b, nil
}
