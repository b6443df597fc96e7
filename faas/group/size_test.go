package group_test

import (
	"testing"

	protocol "github.com/stateway/stateway/protocol/group"
	"github.com/stateway/stateway/protocol/wire"
	"github.com/stateway/stateway/runtime/core"
)

// What the dispatcher asks of each invocation before it travels; in a group with others it is encoded besides.
func BenchmarkSize(b *testing.B) {
	small, large := invocation(1), invocation(2)
	large.States[0].Value = wire.AppendTypedValue(nil, "t/n", make([]byte, 1<<20))
	for name, inv := range map[string]*core.Invocation{"counter": small, "1MiB": large} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				asker.Size(protocol.JSON, inv)
			}
		})
	}
}
