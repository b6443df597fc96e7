package stateway_test

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	gocmp "github.com/google/go-cmp/cmp"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/protocol/reqreply"
)

// The functions that the recording was made of, written with this SDK. testdata/statefun-go-3.3.0.json holds requests
// and what the Go SDK of StateFun 3.3.0 answered to them.

type goldenItem struct {
	Name string `json:"name"`
	N    int    `json:"n"`
}

var (
	goldenItemType = stateway.JSON[goldenItem]("golden/Item")

	goldenB = stateway.Value[bool]("b")
	goldenI = stateway.Value[int32]("i")
	goldenL = stateway.Value[int64]("l")
	goldenF = stateway.Value[float32]("f")
	goldenD = stateway.Value[float64]("d")
	goldenS = stateway.Value[string]("s")
	goldenJ = stateway.ValueOf("j", goldenItemType)
	goldenW = stateway.Value[int64]("w", stateway.ExpireAfterWrite(time.Hour))
	goldenC = stateway.Value[string]("c", stateway.ExpireAfterInvoke(1500*time.Millisecond))
)

func goldenApp() *stateway.App {
	app := stateway.New()
	app.Function("golden/state", goldenState, goldenB, goldenI, goldenL, goldenF, goldenD, goldenS, goldenJ)
	app.Function("golden/effects", goldenEffects)
	app.Function("golden/ttl", func(*stateway.Context, stateway.Message) error { return nil }, goldenW, goldenC, goldenI)
	return app
}

func goldenState(ctx *stateway.Context, msg stateway.Message) error {
	command, err := stateway.String.Read(msg)
	if err != nil {
		return err
	}
	switch command {
	case "set":
		goldenSet(ctx, true, -7, 1<<40, 1.5, -2.25, "héllo")
		goldenJ.Set(ctx, goldenItem{"pen", 3})
	case "zero":
		goldenSet(ctx, false, 0, 0, 0, 0, "")
	case "bump":
		return goldenBump(ctx)
	case "clear":
		goldenB.Clear(ctx)
		goldenI.Clear(ctx)
		goldenL.Clear(ctx)
		goldenF.Clear(ctx)
		goldenD.Clear(ctx)
		goldenS.Clear(ctx)
		goldenJ.Clear(ctx)
	case "fail":
		return errors.New("no")
	}
	return nil
}

func goldenSet(ctx *stateway.Context, b bool, i int32, l int64, f float32, d float64, s string) {
	goldenB.Set(ctx, b)
	goldenI.Set(ctx, i)
	goldenL.Set(ctx, l)
	goldenF.Set(ctx, f)
	goldenD.Set(ctx, d)
	goldenS.Set(ctx, s)
}

func goldenBump(ctx *stateway.Context) error {
	b, errB := goldenB.Get(ctx)
	i, errI := goldenI.Get(ctx)
	l, errL := goldenL.Get(ctx)
	f, errF := goldenF.Get(ctx)
	d, errD := goldenD.Get(ctx)
	s, errS := goldenS.Get(ctx)
	j, errJ := goldenJ.Get(ctx)
	if err := errors.Join(errB, errI, errL, errF, errD, errS, errJ); err != nil {
		return err
	}
	goldenSet(ctx, !b, i+1, l+1, f+1, d+1, s+"!")
	j.N++
	goldenJ.Set(ctx, j)
	return nil
}

func goldenEffects(ctx *stateway.Context, _ stateway.Message) error {
	to, ok := ctx.Caller()
	if !ok {
		to = stateway.FunctionType("golden/other").At("x")
	}
	ctx.Send(to, stateway.Bool.Of(true))
	ctx.Send(to, stateway.Int32.Of(5))
	ctx.Send(to, stateway.Int64.Of(-5))
	ctx.Send(to, stateway.Float32.Of(0.5))
	ctx.Send(to, stateway.Float64.Of(0.25))
	ctx.Send(to, stateway.String.Of("text"))
	ctx.Send(ctx.Self(), goldenItemType.Of(goldenItem{"cup", 1}))
	ctx.SendAfter(1500*time.Millisecond, to, stateway.String.Of("later"))
	ctx.SendAfter(0, to, stateway.String.Of(""))
	ctx.SendAfterWithToken(time.Hour, "tok", to, stateway.String.Of("much later"))
	ctx.Cancel("tok")
	ctx.Egress("golden/kafka", stateway.KafkaRecord("t", "k", stateway.Text("plain")))
	ctx.Egress("golden/kafka", stateway.KafkaRecord("t", "", stateway.Int32.Of(9)))
	ctx.Egress("golden/kinesis", stateway.KinesisRecord("st", "p", stateway.Bytes.Of([]byte{1, 2})))
	ctx.Egress("golden/kinesis", stateway.KinesisRecordWithHashKey("st", "p", "12", stateway.Text("v")))
	return nil
}

func TestAnswersAreThoseOfTheStateFunGoSDK(t *testing.T) {
	app := goldenApp()
	for _, g := range recorded(t) {
		t.Run(g.Name, func(t *testing.T) {
			got, err := app.Invoke(t.Context(), unhex(t, g.Request))
			if g.Error != "" {
				if err == nil || !strings.Contains(err.Error(), g.Error) {
					t.Fatalf("got error %v, want one with %q", err, g.Error)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(normal(t, unhex(t, g.Response)), normal(t, got), protocmp.Transform()); diff != "" {
				t.Errorf("-StateFun +this SDK:\n%s", diff)
			}
		})
	}
}

type recording struct {
	Name, Request, Response, Error string
}

func recorded(t testing.TB) []recording {
	t.Helper()
	data, err := os.ReadFile("testdata/statefun-go-3.3.0.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []recording
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// normal takes away what the protocol leaves open: the order of values (StateFun's Go SDK ranges over a map), an empty
// expiry for none, and the newline that it writes after JSON.
func normal(t testing.TB, answer []byte) *reqreply.FromFunction {
	t.Helper()
	from := new(reqreply.FromFunction)
	if err := proto.Unmarshal(answer, from); err != nil {
		t.Fatal(err)
	}
	mutations := from.GetInvocationResult().GetStateMutations()
	slices.SortFunc(mutations, func(a, b *reqreply.FromFunction_PersistedValueMutation) int {
		return cmp.Compare(a.StateName, b.StateName)
	})
	for _, m := range mutations {
		trimNewline(m.StateValue)
	}
	for _, m := range from.GetInvocationResult().GetOutgoingMessages() {
		trimNewline(m.Argument)
	}
	missing := from.GetIncompleteInvocationContext().GetMissingValues()
	slices.SortFunc(missing, func(a, b *reqreply.FromFunction_PersistedValueSpec) int {
		return cmp.Compare(a.StateName, b.StateName)
	})
	for _, m := range missing {
		if m.ExpirationSpec.GetMode() == reqreply.FromFunction_ExpirationSpec_NONE {
			m.ExpirationSpec = nil
		}
	}
	return from
}

func trimNewline(v *reqreply.TypedValue) {
	if v.GetTypename() == goldenItemType.Name() {
		v.Value = []byte(strings.TrimSuffix(string(v.Value), "\n"))
	}
}
