package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/stateway/stateway/runtime/core"
)

// Ahead bounds what ReadNewerAhead reads before it is needed.
type Ahead struct {
	Requests int   // under way or waiting to be used, at least 1
	Bytes    int64 // that one request reads, and Requests times that of all together, unless one section is larger
}

// run is a stretch of a segment that one request reads.
type run struct {
	segment *Segment
	refs    []SectionRef
}

func (r run) bytes() (off, n int64) {
	last := r.refs[len(r.refs)-1]
	return r.refs[0].Offset, last.Offset + last.Length - r.refs[0].Offset
}

// ReadNewerAhead is ReadNewer with several requests at a time, each on a goroutine: on a bucket in which a request takes long, restoring many
// small segments takes as long as their number, divided by the requests. Use is called on the caller's goroutine, in the same order.
func (a *Application) ReadNewerAhead(ctx context.Context, s *State, shards []Resume, ahead Ahead, use func(core.ShardID, core.CheckpointID, *Section) error) error {
	if err := checkResumes(s, shards); err != nil {
		return err
	}
	runs := newerRuns(s, shards, min(ahead.Bytes, maxSegmentRead))
	type answer struct {
		b   []byte
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	var reads sync.WaitGroup
	defer reads.Wait()
	defer cancel()
	answers := make([]chan answer, len(runs))
	begun, held := 0, int64(0) // runs that were begun, and bytes of those that were not used yet
	fill := func(used int) {
		for ; begun < len(runs) && begun-used < max(1, ahead.Requests); begun++ {
			i := begun
			off, n := runs[i].bytes()
			if begun > used && held+n > ahead.Bytes*int64(ahead.Requests) {
				return
			}
			held += n
			answers[i] = make(chan answer, 1)
			reads.Go(func() {
				b, err := a.bucket.ReadRange(ctx, a.key(runs[i].segment.Name), off, n)
				answers[i] <- answer{b, err}
			})
		}
	}
	for i, r := range runs {
		fill(i)
		got := <-answers[i]
		answers[i] = nil
		err := got.err
		if err == nil {
			err = a.useRun(r.segment, r.refs, got.b, func(shard core.ShardID, section *Section) error {
				return use(shard, r.segment.Checkpoint, section)
			})
		} else {
			err = a.missing(r.segment, r.refs[0].Offset, err)
		}
		if err != nil {
			return fmt.Errorf("read segment of checkpoint %d: %w", r.segment.Checkpoint, err)
		}
		held -= int64(len(got.b))
	}
	return nil
}

// missing makes an error of a read that shows damage say so.
func (a *Application) missing(s *Segment, off int64, err error) error {
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrRange) {
		return damaged(a.key(s.Name), off, "the manifest names it with %d bytes: %v", s.Length, err)
	}
	return err
}

// newerRuns are the requests that read what the shards lack, in the order of checkpoints.
func newerRuns(s *State, shards []Resume, limit int64) []run {
	var runs []run
	for _, seg := range s.Segments {
		var refs []SectionRef
		for i := range seg.Sections {
			lacks := func(r Resume) bool { return r.Shard == seg.Sections[i].Shard && seg.Checkpoint > r.After }
			if slices.ContainsFunc(shards, lacks) {
				refs = append(refs, seg.Sections[i])
			}
		}
		for len(refs) > 0 {
			n := adjoining(refs, limit)
			runs = append(runs, run{seg, refs[:n:n]})
			refs = refs[n:]
		}
	}
	return runs
}
