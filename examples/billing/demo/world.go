package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/stateway/stateway/examples/billing/subscription"
	"github.com/stateway/stateway/examples/stage"
	"github.com/stateway/stateway/test/harness"
)

// rejectsStream takes what is no change.
const rejectsStream = "billing-rejects"

// world is everything that runs: the functions in this process, the others in their own.
type world struct {
	*stage.Stage
	began     time.Time
	kinesis   *harness.KinesisServer
	provider  *subscription.Provider
	functions *stage.Functions
	python    *harness.Process // nil unless it serves the user function
}

// open starts all of it and waits until the node serves.
func open(ctx context.Context, o options) (_ *world, err error) {
	w := &world{began: time.Now(), provider: new(subscription.Provider)}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if err := w.openStreams(ctx); err != nil {
		return nil, err
	}
	if w.functions, err = stage.Serve(subscription.New(o.settings(), w.provider)); err != nil {
		return nil, err
	}
	if w.Stage, err = stage.Open(o.binary, "billing", w.functions.Port); err != nil {
		return nil, err
	}
	w.Keep = o.keep
	userPort, language := w.functions.Port, "Go"
	if o.python != "" {
		language = "Python"
		if userPort, err = w.servePython(ctx, o); err != nil {
			return nil, err
		}
	}
	w.Setenv(
		"PAYMENT_PORT="+strconv.Itoa(w.functions.Port), "USER_PORT="+strconv.Itoa(userPort),
		"AWS_ENDPOINT_URL_KINESIS="+w.kinesis.Endpoint, "AWS_REGION="+harness.KinesisRegion, "AWS_PROFILE=",
		"AWS_ACCESS_KEY_ID="+harness.KinesisAccessKey, "AWS_SECRET_ACCESS_KEY="+harness.KinesisSecretKey, "AWS_SESSION_TOKEN=",
	)
	if err := w.Start(ctx); err != nil {
		return nil, err
	}
	w.say("the user function (%s) listens on port %d, the payment function (Go) on port %d", language, userPort, w.functions.Port)
	w.say("the node is process %d, in %s; a month lasts %s", w.Node.PID(), w.Dir, o.month)
	return w, nil
}

// openStreams starts a Kinesis and makes the streams.
func (w *world) openStreams(ctx context.Context) (err error) {
	w.say("starting kinesis-local; the first time, npm installs it")
	if w.kinesis, err = harness.StartKinesisLocal(ctx); err != nil {
		return err
	}
	for _, stream := range []string{subscription.ChangesStream, subscription.ChargesStream, subscription.ResultsStream, rejectsStream} {
		if err := w.kinesis.Client().CreateStream(ctx, stream, 2); err != nil {
			return err
		}
	}
	w.say("kinesis-local is process %d, at %s, with streams of two shards each", w.kinesis.PID(), w.kinesis.Endpoint)
	return nil
}

// servePython starts the user function in Python and returns its port.
func (w *world) servePython(ctx context.Context, o options) (int, error) {
	root, err := harness.Root()
	if err != nil {
		return 0, err
	}
	port, err := harness.FreePort()
	if err != nil {
		return 0, err
	}
	w.python, err = harness.Start(harness.Spec{
		Name: "the user function in Python", Path: o.python,
		Args: []string{filepath.Join(root, "examples", "billing", "python", "user.py"), "--month", fmt.Sprint(o.month.Seconds())},
		Env:  []string{"PORT=" + strconv.Itoa(port)},
	})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return port, w.python.WaitOutput(ctx, "listening")
}

func (w *world) close() {
	if w.Stage != nil {
		w.Close()
	}
	if w.python != nil {
		w.python.Kill()
	}
	if w.functions != nil {
		w.functions.Close()
	}
	if w.kinesis != nil {
		w.kinesis.Kill()
	}
	if w.Stage != nil && w.Keep {
		fmt.Printf("\nkept: %s\n", w.Dir)
	}
}

// say prints one line with the time since the start.
func (w *world) say(format string, args ...any) {
	fmt.Printf("%5.1f s  %s\n", time.Since(w.began).Seconds(), fmt.Sprintf(format, args...))
}
