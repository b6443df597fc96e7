package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/stateway/stateway/internal/allocator"
	"github.com/stateway/stateway/internal/awsclient"
	"github.com/stateway/stateway/internal/version"
	"github.com/stateway/stateway/runtime/admin"
	"github.com/stateway/stateway/runtime/application"
	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/runtime/node"
)

func newRun() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run MODULE.yaml…",
		Short: "Run a node",
		Long: `Run serves the application that the module files declare, until SIGTERM or SIGINT: then it makes a last checkpoint and ends with
exit code 0. A second signal ends it at once; nothing that was committed is lost by that, or by kill -9.

Of several processes with the same bucket and application one leads and the others wait, ready to take over.`,
		Example: `  stateway run module.yaml
  stateway run base.yaml functions.yaml --data /var/lib/stateway --bucket file:///mnt/bucket --application shop
  stateway run module.yaml --bucket 's3://shop-state/prod?region=eu-central-1' --application shop
  STATEWAY_MEMORY=2GiB STATEWAY_LOG=json stateway run module.yaml
  stateway run module.yaml --allow-dropped shop/old-ingress --allow-dropped shop/old-function`,
		Args: arguments(1, -1, "one or more module files"),
		RunE: func(cmd *cobra.Command, files []string) error {
			if err := o.validate(); err != nil {
				return usageError(err)
			}
			return runNode(cmd.Context(), &o, files, cmd.ErrOrStderr())
		},
	}
	o.flags(cmd.Flags())
	return cmd
}

// gcPercent lets the heap grow to three times of what lives before it is collected: what lives is small at first, and near the memory
// limit the collector runs more often by itself.
const gcPercent = 200

// runNode runs a node until a signal.
func runNode(ctx context.Context, o *runOptions, files []string, stderr io.Writer) error {
	log := newLog(o.log, stderr)
	app, err := loadModule(o.strict, files, log, stderr)
	if err != nil {
		return err
	}
	allocator.Tune(int64(o.memory), gcPercent)
	ctx, stop := untilSignal(ctx, log, os.Exit)
	defer stop()

	discards, streams, calls := &admin.Discards{}, &admin.Streams{}, awsclient.NewCounter()
	parts, err := application.Parts(app, application.Options{
		Workers: o.workerCount(), Log: log, Host: o.host, Application: o.application, Discarded: discards.Add,
		Writes: func(id string, w application.StreamWriter) { streams.Add(id, w) }, AWSCalls: calls.Observe,
	})
	if err != nil {
		return usageError(err)
	}
	at, err := o.place()
	if err != nil {
		return usageError(err)
	}
	at.calls = calls.Observe
	bucket, err := at.open(ctx)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.admin)
	if err != nil {
		return fmt.Errorf("listen for the admin server (--admin): %w", err)
	}
	n, err := node.New(node.Config{
		Data: o.data, Bucket: bucket, OpenBucket: openURL, Application: o.application, Shards: o.shards, Workers: o.workerCount(),
		CheckpointEvery: o.checkpointEvery, Lease: o.lease, Memory: int64(o.memory),
		Contact: contact(listener.Addr()), Log: log,
		Module: application.Fingerprint(app), Parts: parts, AllowDropped: o.allowDropped,
	})
	if err != nil {
		listener.Close()
		return usageError(err)
	}
	log.Info("start", "version", version.Get().Version, "application", o.application, "bucket", at.String(), "data", o.data, "pid", os.Getpid())
	log.Info("admin server listens", "address", listener.Addr().String())
	return serve(ctx, n, listener, admin.Config{
		Node: n, Application: o.application, Metrics: admin.NewRegistry(n, discards, streams, calls), Pprof: o.pprof, Log: log,
	})
}

// serve runs the node and, as long as it runs, its admin server. Whichever fails ends both.
func serve(ctx context.Context, n *node.Node, listener net.Listener, c admin.Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	asked, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	served := make(chan error, 1)
	go func() {
		err := admin.Serve(asked, listener, c)
		if err != nil {
			cancel()
		}
		served <- err
	}()
	err := n.Run(ctx)
	hangUp()
	err = errors.Join(err, <-served)
	if err == nil {
		c.Log.Info("ended")
	}
	return err
}

// loadModule reads the module files, logs warnings, and prints all errors.
func loadModule(strict bool, files []string, log *slog.Logger, stderr io.Writer) (*module.Application, error) {
	app, warnings, err := module.Load(module.Options{Strict: strict}, files...)
	for _, w := range warnings {
		log.Warn(w.String())
	}
	var found *module.Errors
	if errors.As(err, &found) {
		problems(stderr, found.Problems)
		return nil, said(exitUsage, err)
	}
	return app, err
}

func newLog(form string, w io.Writer) *slog.Logger {
	if form == "json" {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: spelled}))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

// spelled lets durations look in JSON as they do in text, 1.5s, and not be a number without a unit.
func spelled(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// contact is where other processes reach the admin server: its address, or this machine's name if it listens on all addresses.
func contact(at net.Addr) string {
	tcp, ok := at.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return at.String()
	}
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	return net.JoinHostPort(name, strconv.Itoa(tcp.Port))
}
