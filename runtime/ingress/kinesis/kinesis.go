package kinesis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stateway/stateway/internal/awsclient"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
)

// Ingress reads Kinesis streams. It implements ingress.Ingress and ingress.Reporter.
type Ingress struct {
	opts    Options
	streams []*stream // in the order of Options.Streams
	buffers *budget
	reports *reports
	backoff awsclient.Backoff
	most    int             // records in a batch; maxBatchRecords but in tests
	strange map[string]bool // streams that were logged as not to be read; owned by Partitions
}

// Open checks the options, all conflicts at once, and asks Kinesis for nothing yet.
func Open(opts Options) (*Ingress, error) {
	if err := opts.validate(); err != nil {
		return nil, fmt.Errorf("kinesis ingress: %w", err)
	}
	opts = opts.withDefaults()
	g := &Ingress{opts: opts, buffers: newBudget(opts.BufferBytes), reports: newReports(), most: maxBatchRecords, strange: map[string]bool{}}
	g.backoff.Random = opts.Random
	for _, s := range opts.Streams {
		st, err := newStream(opts, s)
		if err != nil {
			return nil, fmt.Errorf("kinesis ingress: stream %s: %w", s.Stream, err)
		}
		g.streams = append(g.streams, st)
	}
	return g, nil
}

// partitionID names a shard of a stream; neither has a slash.
func partitionID(stream, shard string) string { return stream + "/" + shard }

// stream finds the stream of a partition. It is not ok if the options name none.
func (g *Ingress) stream(partition string) (st *stream, shard string, ok bool) {
	name, shard, ok := strings.Cut(partition, "/")
	for _, st := range g.streams {
		if ok && st.name == name && shard != "" {
			return st, shard, true
		}
	}
	return nil, "", false
}

// Read hands over a shard's records until ctx ends or the shard does. See ingress.Ingress for its errors; those of
// Kinesis that pass by themselves (throttling, expired iterators, lost connections) are dealt with here.
func (g *Ingress) Read(ctx context.Context, p ingress.Partition, sink ingress.Sink) error {
	st, id, ok := g.stream(p.ID)
	if !ok {
		stats{g.reports, p.ID}.set(ingress.PartitionWaiting, "its stream is not among those of this ingress: put it back, and it is read from here on")
		<-ctx.Done()
		return ctx.Err()
	}
	r, err := newReader(g, st, id, p, sink)
	if err != nil {
		return err
	}
	defer r.close()
	err = r.run(ctx)
	if ctxErr := ctx.Err(); ctxErr != nil {
		return ctxErr
	}
	switch {
	case errors.Is(err, ingress.ErrEnded):
		r.stats.set(ingress.PartitionEnded, "")
	case errors.Is(err, ingress.ErrHeld), errors.Is(err, ingress.ErrTruncated):
		r.stats.set(ingress.PartitionHeld, err.Error())
	}
	return err
}

// Committed does nothing: nobody outside asks for positions.
func (g *Ingress) Committed(core.CheckpointID, map[string][]byte) {}

// Close does nothing: connections belong to the API, and every Read has returned.
func (g *Ingress) Close() error { return nil }
