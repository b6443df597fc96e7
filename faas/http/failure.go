package http

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/stateway/stateway/runtime/core"
)

// failure tells what a request without an answer means: without a connection the endpoint is in trouble, after that
// nobody knows whether the function has run, and the try has failed.
func (c *Client) failure(j job, err error) core.Outcome {
	o := core.Outcome{Class: core.OutcomeFailed, Reason: "POST " + j.route.text + ": " + c.explain(j, err)}
	var none *connectError
	if errors.As(err, &none) {
		o.Class = core.OutcomeTrouble
	}
	return o
}

func (c *Client) explain(j job, err error) string {
	var none *connectError
	switch {
	case errors.As(err, &none) && timedOut(err):
		return "no connection within " + min(c.cfg.Connect, c.budget(j)+j.patience).String()
	case errors.As(err, &none):
		return err.Error()
	case timedOut(err):
		text := "no answer within the call budget of " + c.budget(j).Round(time.Millisecond).String()
		if j.patience > 0 {
			text += " and " + j.patience.String() + " for a cold start"
		}
		if c.cfg.Read > 0 {
			text += " or the limits for a read or write (" + c.cfg.Read.String() + ", " + c.cfg.Write.String() + ")"
		}
		return text
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the server closed the connection before the end of its answer"
	}
	return err.Error()
}

func timedOut(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &t) && t.Timeout())
}
