package embed_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/embed"
	"github.com/stateway/stateway/runtime/module"
)

// A program that counts visits, in its own process: functions in Go, a source of records from a module, state that outlives it.
func Example() {
	dir, err := os.MkdirTemp("", "visits-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

	visits := stateway.Value[int64]("visits")
	var left atomic.Int64
	left.Store(30)
	app := stateway.New()
	app.Function("shop/visitor", func(ctx *stateway.Context, _ stateway.Message) error {
		n, err := visits.Get(ctx)
		if err != nil {
			return err
		}
		visits.Set(ctx, n+1)
		if left.Add(-1) == 0 {
			stop() // this program has seen enough
		}
		return nil
	}, visits)

	err = embed.Run(ctx, embed.Config{
		Application: "shop", Functions: app, Dir: dir, CheckpointEvery: 100 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Modules: []module.Source{{Name: "visits.yaml", Data: []byte(`
kind: io.stateway.generator.v1/ingress
spec:
  id: shop/visits
  ids: {prefix: visitor-, count: 3}
  count: 30
  value: sequence
  targets: [shop/visitor]
`)}},
	})
	fmt.Println("ended:", err)
	// Output: ended: <nil>
}
