package fraud

import (
	"fmt"
	"log/slog"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
)

// DefaultWindow is how long a confirmed fraud counts unless NewScores is told otherwise.
const DefaultWindow = 30 * 24 * time.Hour

// history is the state of a Counter.
type history struct {
	Recent int64 `json:"recent"` // frauds confirmed within the window
	Total  int64 `json:"total"`  // and ever
}

var frauds = stateway.Value[history]("frauds")

// counter is the code of the function Counter.
type counter struct {
	window time.Duration
}

// NewScores returns the functions that know accounts and merchants, ready to be served. A confirmed fraud counts for window, which is at
// least a millisecond; zero means DefaultWindow.
func NewScores(window time.Duration) *stateway.App {
	if window == 0 {
		window = DefaultWindow
	}
	app := stateway.New()
	app.Function(Counter, counter{window}.handle, frauds)
	app.Function(Merchant, merchant, record)
	return app
}

func (c counter) handle(ctx *stateway.Context, msg stateway.Message) error {
	h, err := frauds.Get(ctx)
	if err != nil {
		return err
	}
	caller, inside := ctx.Caller()
	switch {
	case !inside:
		slog.Warn("ignored: it came from outside, not from a function", "account", ctx.Self().ID, "message", msg.TypeName())
		return nil
	case countFraudsType.Is(msg):
		ctx.Send(caller, fraudCountType.Of(fraudCount{Frauds: h.Recent}))
		return nil
	case fraudConfirmedType.Is(msg):
		// The window rolls by itself. The delayed message waits with the state in the node, over restarts of everything, so that no job has to
		// look through accounts for what is too old.
		ctx.SendAfter(c.window, ctx.Self(), forgetFraudType.Of(forgetFraud{}))
		h.Recent++
		h.Total++
		frauds.Set(ctx, h)
		return nil
	case forgetFraudType.Is(msg):
		h.Recent--
		frauds.Set(ctx, h)
		return nil
	}
	return fmt.Errorf("counter of %s: unknown message type %s", ctx.Self().ID, msg.TypeName())
}
