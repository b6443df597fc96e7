package kinesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/ingress/kinesis/lineage"
)

const (
	listAtOnce = 8         // streams
	dateMargin = time.Hour // a startup date that falls out of the history so soon is taken for one that lies before it
)

// Partitions lists the shards that may be read and the tombstones of ended ones, named stream/shard; package lineage has
// the rules. A stream that cannot be listed keeps what is known of it and is logged; only if none can be listed is that
// an error, which says for each what is wrong. Partitions of streams that the options do not name come back as they are, too: a typing mistake
// looks the same as a stream that is not wanted any more, and would begin anew once it is mended.
//
// "Latest" becomes the time by Kinesis' own clock (the date of its answer, which has whole seconds: what arrived in that second before
// the list was made is read, too), or by Options.Now if it tells none.
func (g *Ingress) Partitions(ctx context.Context, known []ingress.Partition) ([]ingress.Partition, error) {
	of, strange := g.sort(known)
	parts := make([][]ingress.Partition, len(g.streams))
	errs := make([]error, len(g.streams))
	slots := make(chan struct{}, listAtOnce)
	var listing sync.WaitGroup
	for i, st := range g.streams {
		slots <- struct{}{}
		listing.Go(func() {
			defer func() { <-slots }()
			parts[i], errs[i] = g.partitionsOf(ctx, st, of[st.name])
		})
	}
	listing.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	all := strange
	failed := 0
	for i, st := range g.streams {
		if errs[i] != nil {
			failed++
			parts[i] = of[st.name]
		}
		for _, p := range parts[i] {
			p.ID = partitionID(st.name, p.ID)
			all = append(all, p)
		}
	}
	if failed == len(g.streams) {
		return nil, errors.Join(errs...)
	}
	for i, st := range g.streams {
		st.listed(g.opts, errs[i])
	}
	return all, nil
}

// sort puts what is known by stream, with shards' ids. Strange is what belongs to none.
func (g *Ingress) sort(known []ingress.Partition) (of map[string][]ingress.Partition, strange []ingress.Partition) {
	of = map[string][]ingress.Partition{}
	for _, k := range known {
		st, shard, ok := g.stream(k.ID)
		if !ok {
			g.sayStrange(k.ID)
			strange = append(strange, k)
			continue
		}
		k.ID = shard
		of[st.name] = append(of[st.name], k)
	}
	return of, strange
}

// sayStrange logs once that a stream is not read any more.
func (g *Ingress) sayStrange(partition string) {
	stream, _, _ := strings.Cut(partition, "/")
	if g.strange[stream] {
		return
	}
	g.strange[stream] = true
	g.opts.Log.Warn("kinesis ingress: a stream of which positions are known is not among those to read; they are kept, and it goes on there when it is put back",
		"stream", stream)
}

// partitionsOf lists the partitions of one stream, with shards' ids.
func (g *Ingress) partitionsOf(ctx context.Context, st *stream, known []ingress.Partition) ([]ingress.Partition, error) {
	if first := st.firstStart(); len(known) == 0 && first != nil {
		return first, nil
	}
	shards, now, err := st.list(ctx, g)
	if err != nil {
		return nil, fmt.Errorf("list the shards of stream %s: %w", st.name, err)
	}
	var start lineage.Start
	if len(known) == 0 {
		if start, err = g.start(ctx, st, now); err != nil {
			return nil, fmt.Errorf("stream %s: %w", st.name, err)
		}
	}
	parts, err := lineage.Partitions(known, shards, start)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", st.name, err)
	}
	if len(known) == 0 {
		st.keepFirst(parts)
	}
	g.reports.found(st.name, parts, lineage.Waiting(known, shards))
	return parts, nil
}

// firstStart is the answer of the first start, for as long as no checkpoint holds any of it. A second first start would be
// another one: if a shard was split since, its children would be read beside it.
func (st *stream) firstStart() []ingress.Partition {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.Clone(st.first)
}

func (st *stream) keepFirst(parts []ingress.Partition) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.first = slices.Clone(parts)
}

// start makes the options' startup absolute. now is the time after the shards were listed.
func (g *Ingress) start(ctx context.Context, st *stream, now time.Time) (lineage.Start, error) {
	switch g.opts.Startup.Kind {
	case lineage.Latest:
		return lineage.Start{Kind: lineage.Latest, Time: now.UnixMilli()}, nil
	case lineage.Earliest:
		return lineage.Start{Kind: lineage.Earliest}, nil
	case lineage.Date:
	}
	date := g.opts.Startup.Date
	if date.After(now) {
		return lineage.Start{}, fmt.Errorf("the startup date %s is in the future: it begins then", date.UTC().Format(time.RFC3339))
	}
	covering, err := st.openAt(ctx, g, date)
	if err != nil {
		return lineage.Start{}, fmt.Errorf("list the shards that were open at %s: %w", date.UTC().Format(time.RFC3339), err)
	}
	start := lineage.Start{Kind: lineage.Date, Time: date.UnixMilli(), Seen: date.UnixMilli(), Covering: covering}
	if horizon := now.Add(-st.retention(ctx, g)); date.Before(horizon.Add(dateMargin)) {
		g.opts.Log.Warn("kinesis ingress: the stream's history begins at the startup date or later: reading begins with the oldest record",
			"stream", st.name, "date", date, "oldest", horizon)
		start.Seen = 0
	}
	return start, nil
}

// listed logs what became of listing a stream, when it changes.
func (st *stream) listed(o Options, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	st.mu.Lock()
	changed := text != st.trouble
	st.trouble = text
	st.mu.Unlock()
	switch {
	case !changed:
	case err != nil:
		o.Log.Error("kinesis ingress: a stream cannot be listed; the others are read", "stream", st.name, "error", err)
	default:
		o.Log.Info("kinesis ingress: a stream can be listed again", "stream", st.name)
	}
}

// shardName is the id as logs and errors show it.
func shardName(st *stream, shard string) string {
	return strings.TrimPrefix(shard, "shardId-") + " of stream " + st.name
}
