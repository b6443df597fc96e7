package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/stateway/stateway/examples/fraud-detection/fraud"
	"github.com/stateway/stateway/examples/stage"
	"github.com/stateway/stateway/test/harness"
)

// world is everything that runs.
type world struct {
	*stage.Stage
	began  time.Time
	lambda *harness.Process    // the emulator, whose children are the transaction manager's environments
	told   lines               // by the emulator
	scores *stage.Functions    // counter and merchant, in this process
	proxy  *harness.QueueProxy // before scores; nil if it cannot run here
	model  *harness.Process
}

// open starts all of it and waits until the node serves.
func open(ctx context.Context, o options) (_ *world, err error) {
	w := &world{began: time.Now()}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.Stage, err = stage.Open(o.binary, "fraud-detection", 0); err != nil {
		return nil, err
	}
	w.Keep = o.keep
	for _, start := range []func(context.Context, options) error{w.startModel, w.startScores, w.startManager} {
		if err := start(ctx, o); err != nil {
			return nil, err
		}
	}
	if err := w.Start(ctx); err != nil {
		return nil, err
	}
	w.say("the node is process %d, in %s; a confirmed fraud counts for %s", w.Node.PID(), w.Dir, o.window)
	return w, nil
}

// startModel starts the model in Python, as it would run anywhere behind an URL.
func (w *world) startModel(ctx context.Context, _ options) error {
	root, err := harness.Root()
	if err != nil {
		return err
	}
	w.say("looking for Python and its packages; the first time, pip installs them")
	python, err := harness.Python(ctx, "fraud-detection", pythonFolder)
	if err != nil {
		return err
	}
	port, err := harness.FreePort()
	if err != nil {
		return err
	}
	w.model, err = harness.Start(harness.Spec{
		Name: "the model in Python", Path: python, Args: []string{filepath.Join(root, filepath.FromSlash(pythonFolder), "model.py")},
		Env: []string{"PORT=" + strconv.Itoa(port), "PYTHONDONTWRITEBYTECODE=1"},
	})
	if err != nil {
		return err
	}
	w.Setenv("MODEL_URL=http://" + harness.Loopback(port) + "/")
	w.say("the model is process %d, in Python: plain HTTP, at port %d", w.model.PID(), port)
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return w.model.WaitOutput(ctx, "listening")
}

// startScores starts counter and merchant, with Knative's queue-proxy before them where that is possible.
func (w *world) startScores(ctx context.Context, o options) (err error) {
	if w.scores, err = stage.Serve(fraud.NewScores(o.window)); err != nil {
		return err
	}
	url, how := "http://"+harness.Loopback(w.scores.Port), "without a queue-proxy, as -queue-proxy=false says"
	if o.queueProxy {
		w.say("looking for Knative's queue-proxy; the first time, it is built, which takes a minute")
		w.proxy, err = harness.StartQueueProxy(ctx, harness.QueueProxyConfig{UserPort: w.scores.Port})
		var missing *harness.MissingToolError
		switch {
		case errors.As(err, &missing):
			how = "without Knative's queue-proxy: " + missing.Error()
		case err != nil:
			return err
		default:
			url, how = w.proxy.URL, fmt.Sprintf("behind Knative's queue-proxy, which is process %d", w.proxy.PID())
		}
	}
	w.Setenv("SCORES_URL=" + url + "/")
	w.say("counter and merchant are a CloudEvents server at port %d, %s", w.scores.Port, how)
	return nil
}

// startManager starts the transaction manager under the Lambda emulator, and tells the node to go there instead of AWS.
func (w *world) startManager(ctx context.Context, o options) error {
	bootstrap, err := harness.Build("./examples/fraud-detection/bootstrap")
	if err != nil {
		return err
	}
	port, err := harness.FreePort()
	if err != nil {
		return err
	}
	w.lambda, err = harness.Start(harness.Spec{
		Name: "the Lambda emulator", Path: o.binary, Args: []string{"dev", "lambda", "--listen", harness.Loopback(port), "fraud-transaction=" + bootstrap},
		Output: &w.told,
	})
	if err != nil {
		return err
	}
	w.Setenv(
		"AWS_ENDPOINT_URL_LAMBDA=http://"+harness.Loopback(port), "AWS_REGION=us-east-1", "AWS_PROFILE=",
		"AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any", "AWS_SESSION_TOKEN=",
	)
	w.say("the transaction manager is a Lambda function, under the emulator, which is process %d, at port %d", w.lambda.PID(), port)
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return w.lambda.WaitOutput(ctx, "Lambda at")
}

// crash kills the node without any warning and starts it again on the same folders.
func (w *world) crash(ctx context.Context, when string) error {
	pid := w.Node.PID()
	w.Node.Kill()
	w.say("kill -9 %d, %s", pid, when)
	killed := time.Now()
	if err := w.Start(ctx); err != nil {
		return err
	}
	w.say("the node serves again as process %d, %d ms later", w.Node.PID(), time.Since(killed).Milliseconds())
	return nil
}

// stopNode ends the node in the usual way: a last checkpoint, then exit code 0.
func (w *world) stopNode() error {
	if err := w.Node.Stop(15 * time.Second); err != nil {
		return fmt.Errorf("stop the node: %w", err)
	}
	return nil
}

func (w *world) close() {
	if w.Stage != nil {
		w.Close()
	}
	if w.lambda != nil {
		_ = w.lambda.Stop(10 * time.Second) // so that it ends its environments; what it says then is no news
	}
	if w.proxy != nil {
		w.proxy.Kill()
	}
	if w.scores != nil {
		w.scores.Close()
	}
	if w.model != nil {
		w.model.Kill()
	}
	if w.Stage != nil && w.Keep {
		fmt.Printf("\nkept: %s\n", w.Dir)
	}
}

// lines counts what the emulator writes: a line for each invocation, after one for its start. The functions here write nothing.
type lines struct{ atomic.Int64 }

func (l *lines) Write(b []byte) (int, error) {
	l.Add(int64(bytes.Count(b, []byte("\n"))))
	return len(b), nil
}

// say prints one line with the time since the start.
func (w *world) say(format string, args ...any) {
	fmt.Printf("%5.1f s  %s\n", time.Since(w.began).Seconds(), fmt.Sprintf(format, args...))
}
