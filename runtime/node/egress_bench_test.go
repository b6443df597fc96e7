package node

import (
	"fmt"
	"testing"

	"github.com/stateway/stateway/protocol/wire"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
)

// narrow is an egress with room for a few records at a time, as a stream that is slower than the functions.
type narrow struct {
	egress.Emitter
	room  int
	taken int
	done  egress.Done
}

func (n *narrow) Emit(_ int, recs []egress.Record, done egress.Done) int {
	if n.taken > 0 {
		return 0
	}
	n.taken, n.done = min(n.room, len(recs)), done
	return n.taken
}

// answer makes room again.
func (n *narrow) answer() {
	taken, done := n.taken, n.done
	n.taken, n.done = 0, nil
	done(0, taken, nil)
}

// BenchmarkEmitterBacklog is what a record costs when a number of them wait for an egress that takes 50 at a time.
func BenchmarkEmitterBacklog(b *testing.B) {
	for _, waiting := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprint("waiting=", waiting), func(b *testing.B) {
			out := &narrow{room: 50}
			g := &generation{node: &Node{cfg: Config{Workers: 1}}}
			e, l := newEmitter(egressCommon{gen: g}, out), &workerLoop{inbox: newInbox()}
			arg := core.Value(wire.AppendTypedValue(nil, "test/record", make([]byte, 100)))
			b.ReportAllocs()
			b.ResetTimer()
			for done := 0; done < b.N; done += waiting {
				records := make([]*core.OutRecord, waiting)
				for i := range records {
					records[i] = &core.OutRecord{Arg: arg}
				}
				e.emit(l, core.Emit{Records: records})
				for out.taken > 0 {
					out.answer()
				}
			}
		})
	}
}
