package checkpoint_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/checkpoint/membucket"
	"github.com/stateway/stateway/runtime/core"
)

// Neighbours' sections come with one request a segment, in order, however many requests run ahead.
func TestReadNewerAheadReadsNeighboursTogether(t *testing.T) {
	w := newWorld(t, 8)
	l := w.claim(1)
	const segments = 10
	for i := range segments {
		rows := map[core.ShardID][]core.Row{}
		for shard := range core.ShardID(8) {
			rows[shard] = []core.Row{row(fmt.Sprint(i), fmt.Sprint(shard))}
		}
		l.commit(checkpoint.Commit{Segments: []*checkpoint.Segment{l.segment(rows)}})
	}
	var requests atomic.Int64
	w.bucket.Hook = func(membucket.Op) membucket.Fault { requests.Add(1); return membucket.Fault{} }
	for _, ahead := range []checkpoint.Ahead{{Requests: 1, Bytes: 1 << 20}, {Requests: 4, Bytes: 1 << 20}, {Requests: 100, Bytes: 1}} {
		requests.Store(0)
		var got []string
		resume := []checkpoint.Resume{{Shard: 2}, {Shard: 3}, {Shard: 4, After: 5}}
		err := w.app.ReadNewerAhead(t.Context(), l.state, resume, ahead, func(id core.ShardID, n core.CheckpointID, s *checkpoint.Section) error {
			got = append(got, fmt.Sprintf("%d/%d", n, id))
			return nil
		})
		w.must(err)
		var want []string
		for n := 1; n <= segments; n++ {
			want = append(want, fmt.Sprintf("%d/2", n), fmt.Sprintf("%d/3", n))
			if n > 5 {
				want = append(want, fmt.Sprintf("%d/4", n))
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%+v: got %v\nwant %v", ahead, got, want)
		}
		most := int64(segments)
		if ahead.Bytes == 1 {
			most = int64(len(want)) // no two sections fit one request
		}
		if n := requests.Load(); n != most {
			t.Errorf("%+v: %d requests, want %d", ahead, n, most)
		}
	}
}
