package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/stateway/stateway/internal/lambdaemu"
)

// devLambda are the flags of dev lambda.
type devLambda struct {
	listen      string
	timeout     time.Duration
	memory      int
	env         []string
	handler     string
	concurrency int
	reserved    int
	ramp        int
	idle        time.Duration
	freeze      bool
	keepRunning time.Duration
	quiet       bool
}

const devLambdaHelp = `Lambda emulates AWS Lambda for the functions that it is given, until it is interrupted: the Invoke API for the node, and the Runtime API
for the functions. PATH is a zip file or a folder with an executable named bootstrap, or such an executable itself: what would be deployed for
provided.al2023. Each environment is a process of its own and has one invocation at a time; more are started when they are needed.

Limits and errors are those of Lambda: payloads of 6 MB, time-outs, memory (on Linux), 429 beyond the concurrency. It checks neither signatures nor
permissions, and knows one version of each function. What functions write, and a line for each invocation, goes to stderr.

In the module:

  awsRegion: {type: custom-endpoint, id: us-east-1, endpoint: "http://127.0.0.1:9001"}
  awsCredentials: {type: basic, accessKeyId: any, secretAccessKey: any}`

func newDevLambda() *cobra.Command {
	var o devLambda
	cmd := &cobra.Command{
		Use:   "lambda NAME=PATH…",
		Short: "Run functions as AWS Lambda would",
		Long:  devLambdaHelp,
		Example: `  CGO_ENABLED=0 go build -tags lambda.norpc -o bootstrap ./my-function
  stateway dev lambda my-function=bootstrap

  # a Python server behind the adapter, with its own limits
  stateway dev lambda --handler 'python3 server.py' --timeout 30s --memory 512 shop=./shop pay=pay.zip

  # see what throttling does
  stateway dev lambda --reserved 2 my-function=bootstrap`,
		Args: arguments(1, -1, "one or more functions as NAME=PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.validate(); err != nil {
				return usageError(err)
			}
			return o.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), args)
		},
	}
	o.flags(cmd.Flags())
	return cmd
}

func (o *devLambda) flags(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVar(&o.listen, "listen", "127.0.0.1:9001", "`address` of the Invoke API; port 0 takes a free one")
	f.DurationVar(&o.timeout, "timeout", 3*time.Second, "how long an invocation may take")
	f.IntVar(&o.memory, "memory", 128, "`MiB` that an environment may hold")
	f.StringArrayVar(&o.env, "env", nil, "`NAME=VALUE` in the functions' environment; may be repeated")
	f.StringVar(&o.handler, "handler", "bootstrap", "`text` that functions find as _HANDLER")
	f.IntVar(&o.concurrency, "concurrency", 1000, "`number` of environments of all functions that may work at a time")
	f.IntVar(&o.reserved, "reserved", 0, "`number` of environments of each function that may work at a time; 0 means no limit of its own")
	f.IntVar(&o.ramp, "ramp", 1000, "`number` of environments that each function may start in ten seconds")
	f.DurationVar(&o.idle, "idle", 5*time.Minute, "how long an environment without work is kept")
	f.BoolVar(&o.freeze, "freeze", false, "stop environments between invocations, as Lambda does")
	f.DurationVar(&o.keepRunning, "keep-running", 0, "how long an environment goes on after its invocation has timed out")
	f.BoolVar(&o.quiet, "quiet", false, "write no lines for invocations and from functions")
}

// validate reports everything that is wrong with the values.
func (o *devLambda) validate() error {
	var problems []error
	if o.timeout <= 0 || o.idle <= 0 || o.keepRunning < 0 {
		problems = append(problems, errors.New("--timeout and --idle must be positive, and --keep-running not negative"))
	}
	if o.memory <= 0 || o.concurrency <= 0 || o.ramp <= 0 || o.reserved < 0 {
		problems = append(problems, errors.New("--memory, --concurrency and --ramp must be positive, and --reserved not negative"))
	}
	for _, e := range o.env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			problems = append(problems, fmt.Errorf("--env %s: want NAME=VALUE", e))
		}
	}
	return errors.Join(problems...)
}

// run serves until the process is told to end.
func (o *devLambda) run(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	unpacked, err := os.MkdirTemp("", "stateway-lambda-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(unpacked) }()
	cfg := lambdaemu.Config{Concurrency: o.concurrency, Ramp: o.ramp, Log: stderr}
	if o.quiet {
		cfg.Log = nil
	}
	for i, arg := range args {
		f, err := o.function(arg, filepath.Join(unpacked, fmt.Sprint(i)))
		if err != nil {
			return usageError(err)
		}
		cfg.Functions = append(cfg.Functions, f)
	}
	emulator, err := lambdaemu.New(cfg)
	if err != nil {
		return usageError(err)
	}
	defer emulator.Close()
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", o.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	ctx, stop := untilSignal(ctx, slog.New(slog.NewTextHandler(stderr, nil)), os.Exit)
	defer stop()
	fmt.Fprintf(stdout, "Lambda at http://%s with %s\n", l.Addr(), count(len(args), "function"))
	server := &http.Server{Handler: emulator, ReadHeaderTimeout: time.Minute}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// function reads NAME=PATH; a zip file is unpacked into a folder.
func (o *devLambda) function(arg, unpacked string) (lambdaemu.Function, error) {
	name, path, ok := strings.Cut(arg, "=")
	if !ok || name == "" || path == "" {
		return lambdaemu.Function{}, fmt.Errorf("%s: want a function as NAME=PATH", arg)
	}
	if strings.ContainsAny(name, ":/") {
		return lambdaemu.Function{}, fmt.Errorf("%s: the name of a function has no : and no /", arg)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return lambdaemu.Function{}, err
	}
	if strings.EqualFold(filepath.Ext(path), ".zip") {
		if err := unzip(path, unpacked); err != nil {
			return lambdaemu.Function{}, fmt.Errorf("%s: %w", arg, err)
		}
		path = unpacked
	}
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		path = filepath.Join(path, "bootstrap")
		info, err = os.Stat(path)
	}
	switch {
	case err != nil:
		return lambdaemu.Function{}, fmt.Errorf("%s: %w", arg, err)
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return lambdaemu.Function{}, fmt.Errorf("%s: %s is not executable", arg, path)
	}
	return lambdaemu.Function{
		Name: name, Command: []string{path}, Dir: filepath.Dir(path), Env: o.env, HandlerName: o.handler, Timeout: o.timeout, Memory: o.memory,
		Reserved: o.reserved, Idle: o.idle, Freeze: o.freeze, KeepRunning: o.keepRunning,
	}, nil
}
