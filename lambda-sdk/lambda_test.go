package stateway_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/protocol/group"
)

// invoke goes through the official library, which has to take the handler as it is.
func invoke(tb testing.TB, app *stateway.App, enc group.Encoding, calls ...group.Call) map[string]group.Answer {
	tb.Helper()
	b, err := lambda.NewHandler(app.Lambda()).Invoke(tb.Context(), encode(tb, enc, calls...))
	if err != nil {
		tb.Fatal(err)
	}
	if len(b) > group.MaxLambdaPayload {
		tb.Errorf("the answer has %d bytes", len(b))
	}
	return decode(tb, enc, b)
}

func TestLambdaAnswersGroups(t *testing.T) {
	for _, enc := range []group.Encoding{group.JSON, group.Packed} {
		t.Run(enc.String(), func(t *testing.T) {
			answers := invoke(t, groupApp(), enc, callOf(t, "1", "echo", "a"), callOf(t, "2", "fails", ""), callOf(t, "3", "echo", "b"))
			if got := sent(t, answers["1"]) + ", " + sent(t, answers["3"]); got != "a from 1, b from 3" {
				t.Errorf("got %q", got)
			}
			if answers["2"].Kind != group.Poison {
				t.Errorf("got %+v", answers["2"])
			}
			if got := answers["1"].Encodings; got != group.Encodings(0).With(group.JSON).With(group.Packed) {
				t.Errorf("the first answer announces %q", got)
			}
			if answers["3"].Encodings != 0 {
				t.Error("the announcement is repeated")
			}
		})
	}
}

func TestLambdaRefusesOtherPayloads(t *testing.T) {
	for _, payload := range []string{"", `"text"`, "7", "{}", `{"Records":[]}`, "[1]", "[", `{"statewaygroup":2,"zstd":""}`} {
		if b, err := groupApp().Lambda().Invoke(t.Context(), []byte(payload)); err == nil || !strings.Contains(err.Error(), "no group of Stateway") {
			t.Errorf("%s: got %q, %v", payload, b, err)
		}
	}
	if b, err := groupApp().Lambda().Invoke(t.Context(), []byte(" []")); err != nil || string(b) != "[]" {
		t.Errorf("an empty group: %q, %v", b, err)
	}
}

func TestLambdaAnswersBeforeItsTimeIsOver(t *testing.T) {
	cases := []struct {
		name           string
		left, answered time.Duration
		opts           []stateway.Option
	}{
		{"half a second before", 10 * time.Second, 9500 * time.Millisecond, nil},
		{"as set", 10 * time.Second, 8 * time.Second, []stateway.Option{stateway.WithLambdaMargin(2 * time.Second)}},
		{"a quarter of a short time before", time.Second, 750 * time.Millisecond, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				defer time.Sleep(2 * time.Hour) // until the deaf ones have ended
				app := groupApp(append(c.opts, stateway.WithParallel(2))...)
				app.Function("test/deaf", func(*stateway.Context, stateway.Message) error { time.Sleep(time.Hour); return nil })
				ctx, cancel := context.WithTimeout(t.Context(), c.left)
				defer cancel()
				start := time.Now()
				b, err := app.Lambda().Invoke(ctx, encode(t, group.JSON,
					callOf(t, "1", "deaf", ""), callOf(t, "2", "deaf", ""), callOf(t, "3", "echo", "")))
				if took := time.Since(start); err != nil || took != c.answered {
					t.Errorf("answered after %s, want %s; %v", took, c.answered, err)
				}
				for id, a := range decode(t, group.JSON, b) {
					if a.Kind != group.Retry {
						t.Errorf("%s: %s %q", id, a.Kind, a.Message)
					}
				}
			})
		})
	}
}

// What runs on after its time reads memory of its own: the payload's belongs to the next invocation by then.
func TestAHandlerThatRunsOnHarmsNobody(t *testing.T) {
	for _, enc := range []group.Encoding{group.JSON, group.Packed} {
		synctest.Test(t, func(t *testing.T) {
			var seen atomic.Value
			app := groupApp()
			app.Function("test/zombie", func(_ *stateway.Context, msg stateway.Message) error {
				time.Sleep(time.Minute)
				text, err := stateway.String.Read(msg)
				seen.Store(text)
				return err
			})
			payload := encode(t, enc, callOf(t, "1", "zombie", "what was asked"), callOf(t, "2", "echo", "a"))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			b, err := app.Lambda().Invoke(ctx, payload)
			if err != nil {
				t.Fatal(err)
			}
			answers := decode(t, enc, b)
			clear(payload)
			time.Sleep(time.Hour)
			if answers["1"].Kind != group.Retry || answers["2"].Kind != group.Result || seen.Load() != "what was asked" {
				t.Errorf("%+v; the handler read %v", answers, seen.Load())
			}
		})
	}
}

func TestLambdaAnswersFit(t *testing.T) {
	app := groupApp()
	app.Function("test/large", func(ctx *stateway.Context, msg stateway.Message) error {
		var size int
		if _, err := fmt.Sscan(must(stateway.String.Read(msg)), &size); err != nil {
			return err
		}
		ctx.Send(ctx.Self(), stateway.Bytes.Of(bytes.Repeat([]byte("x"), size)))
		return nil
	})
	const third, whole = "2000000", "5000000" // in base64, three of the first and one of the second are too much
	answers := invoke(t, app, group.JSON, callOf(t, "1", "large", third), callOf(t, "2", "large", third), callOf(t, "3", "large", third), callOf(t, "4", "echo", ""))
	if len(answers) != 3 || answers["1"].Kind != group.Result || answers["2"].Kind != group.Result || answers["4"].Kind != group.Result {
		t.Errorf("%d answers", len(answers))
	}
	answers = invoke(t, app, group.JSON, callOf(t, "1", "large", whole), callOf(t, "2", "echo", ""))
	if a := answers["1"]; a.Kind != group.Poison || !strings.Contains(a.Message, "5000") || answers["2"].Kind != group.Result {
		t.Errorf("%s %q, %s", a.Kind, a.Message, answers["2"].Kind)
	}
	if a := invoke(t, app, group.Packed, callOf(t, "1", "large", whole))["1"]; a.Kind != group.Result {
		t.Errorf("packed, it fits: %s %q", a.Kind, a.Message)
	}
}
