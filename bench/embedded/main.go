// Command embedded is the bench's node with its function inside: it takes the arguments of the stateway binary.
//
//	embedded run MODULE.yaml… --data DIR --bucket file:///DIR --application NAME --admin HOST:PORT
//
// The function bench/counter counts what each Address gets and sends every message's value on to an egress, as bench/fnserver does over
// HTTP. The function bench/forward does the same from Kinesis to Kinesis.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/runtime/admin"
	"github.com/stateway/stateway/runtime/application"
	"github.com/stateway/stateway/runtime/checkpoint/dirbucket"
	"github.com/stateway/stateway/runtime/embed"
)

var seen = stateway.Value[int64]("seen")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// counter counts a message and sends its timestamp to the egress.
func counter(ctx *stateway.Context, msg stateway.Message) error {
	n, err := seen.Get(ctx)
	if err != nil {
		return err
	}
	seen.Set(ctx, n+1)
	sent, err := stateway.Int64.Read(msg)
	if err != nil {
		return err
	}
	ctx.Egress("bench/out", stateway.Int64.Of(sent))
	return nil
}

// forward counts a message and sends its bytes to the Kinesis stream out, under the key that they came with.
func forward(ctx *stateway.Context, msg stateway.Message) error {
	n, err := seen.Get(ctx)
	if err != nil {
		return err
	}
	seen.Set(ctx, n+1)
	ctx.Egress("bench/stream", stateway.KinesisRecord("out", ctx.Self().ID, msg.Payload()))
	return nil
}

// options are the flags of stateway run that the bench uses.
type options struct {
	embed.Config
	bucket string
	admin  string
}

func parse(args []string) (options, error) {
	if len(args) == 0 || args[0] != "run" {
		return options{}, errors.New("want the arguments of stateway run: run MODULE.yaml…")
	}
	o := options{}
	f := pflag.NewFlagSet("embedded", pflag.ContinueOnError)
	f.StringVar(&o.Data, "data", "", "folder for the shards")
	f.StringVar(&o.bucket, "bucket", "", "file:// and a folder")
	f.StringVar(&o.Application, "application", "bench", "name of the application")
	f.StringVar(&o.admin, "admin", "127.0.0.1:9911", "address of the admin server")
	f.IntVar(&o.Shards, "shards", 0, "number of shards")
	f.IntVar(&o.Workers, "workers", 0, "number of workers")
	f.DurationVar(&o.CheckpointEvery, "checkpoint-every", time.Second, "pause between two checkpoints")
	f.Int64Var(&o.Memory, "memory", 512<<20, "bound of memory, in bytes")
	f.String("log", "text", "ignored: the form is text")
	f.Bool("pprof", true, "ignored: profiles are always served")
	f.Duration("lease", 0, "ignored: nobody else leads a bench")
	if err := f.Parse(args[1:]); err != nil {
		return o, err
	}
	o.Files = f.Args()
	folder, ok := strings.CutPrefix(o.bucket, "file://")
	if !ok || o.Data == "" {
		return o, errors.New("--data DIR and --bucket file://DIR are required")
	}
	bucket, err := dirbucket.Open(folder, dirbucket.Options{})
	o.Bucket = bucket
	return o, err
}

// run serves until ctx ends.
func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	embed.TuneMemory(o.Memory)
	app := stateway.New()
	app.Function("bench/counter", counter, seen)
	app.Function("bench/forward", forward, seen)
	discards, streams := &admin.Discards{}, &admin.Streams{}
	o.Functions, o.Discarded = app, discards.Add
	o.Writes = func(id string, w application.StreamWriter) { streams.Add(id, w) }
	n, err := embed.New(o.Config)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.admin)
	if err != nil {
		return fmt.Errorf("listen for the admin server: %w", err)
	}
	asked, hangUp := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- admin.Serve(asked, listener, admin.Config{
			Node: n, Application: o.Application, Metrics: admin.NewRegistry(n, discards, streams), Pprof: true, Log: slog.Default(),
		})
	}()
	err = n.Run(ctx)
	hangUp()
	return errors.Join(err, <-served)
}
