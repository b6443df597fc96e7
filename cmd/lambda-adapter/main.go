// Command lambda-adapter makes an AWS Lambda function of any HTTP function server: it takes groups from the Runtime API
// and asks the server for each of their items over loopback or a Unix socket, as a node would over HTTP.
//
// It is the bootstrap of a custom runtime (provided.al2023), or stands in for a managed runtime when a layer brings it and
// AWS_LAMBDA_EXEC_WRAPPER names it. It starts the server, waits until it is ready, starts it anew when it ends, and
// passes SIGTERM on. Settings come from the environment; docs/lambda-adapter.md lists them.
//
// Always true: each item of a group is answered, for itself, before the invocation's time is over; an item whose server
// is not there is answered with retry, and the adapter outlives its server.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// lastWords is how long an answer may take to be sent after SIGTERM.
const lastWords = 500 * time.Millisecond

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := run(ctx, log, os.Getenv)
	stop()
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Error("the adapter ends", "error", err)
		os.Exit(1)
	}
}

// run serves invocations until ctx ends or the Runtime API is gone.
func run(ctx context.Context, log *slog.Logger, getenv func(string) string) error {
	cfg, err := readConfig(getenv)
	if err != nil {
		return err
	}
	api := newRuntimeAPI(cfg.runtimeAPI)
	if cfg.sigterm {
		if err := api.register(ctx); err != nil {
			return fmt.Errorf("register as an extension, which SIGTERM needs: %w", err)
		}
	}
	s := newServer(cfg, log)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.supervise(ctx)
	}()
	defer func() {
		cancel()
		<-ended // the server has had its time to end
	}()
	if err := s.waitReady(ctx, cfg.readyTimeout); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		api.initFailed(ctx, err)
		return err
	}
	a := newAdapter(cfg, s)
	for {
		if err := serveNext(ctx, api, a, log); err != nil {
			return err
		}
	}
}

// serveNext answers one invocation. Its error means that there will be no more.
func serveNext(ctx context.Context, api *runtimeAPI, a *adapter, log *slog.Logger) error {
	inv, err := api.next(ctx)
	if err != nil {
		return err
	}
	left := time.Until(inv.deadline)
	limited, cancel := context.WithTimeout(ctx, left-min(a.cfg.margin, left/4))
	answer, err := a.answer(limited, inv.payload)
	cancel()
	if err == nil {
		err = respond(ctx, api, inv.id, answer)
	}
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	log.Error("an invocation failed", "request", inv.id, "error", err)
	return api.failed(ctx, inv.id, err)
}

// respond sends an answer. At SIGTERM it holds retry for what was not finished, and has a moment to be sent.
func respond(ctx context.Context, api *runtimeAPI, id string, answer []byte) error {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastWords, cancel) })()
	return api.respond(sending, id, answer)
}
