package node_test

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	stateway "github.com/stateway/stateway/lambda-sdk"
)

// Every id that the playground ingress takes, and longer ones that functions make, is one Address from the request to the state
// after a restart without the disk: with a zero byte, with slashes, as long as can be.
func TestOddIDsFromRequestToRestart(t *testing.T) {
	long := strings.Repeat("y", 64<<10)
	app := stateway.New()
	app.Function("test/first", func(ctx *stateway.Context, msg stateway.Message) error {
		ctx.Send(stateway.FunctionType("test/second").At(ctx.Self().ID+long), msg.Payload())
		ctx.SendAfterWithToken(0, ctx.Self().ID+long, stateway.FunctionType("test/later").At(ctx.Self().ID), msg.Payload())
		return increment(ctx, msg)
	}, count)
	app.Function("test/second", increment, count)
	app.Function("test/later", increment, count)
	port := freePort(t)
	r := newRig(t, app, fmt.Sprintf("kind: io.statefun.playground.v1/ingress\nspec: {port: %d}\n", port))
	ids := []string{"\x00", "\x00\x00", "a/b", "a", "a ", "%2F", "?#", "..", "ü", "u\u0308", "😀", "\u202e", strings.Repeat("x", 8<<10)}
	for round := int64(1); round <= 3; round++ {
		x := r.start().ready()
		for _, id := range ids {
			post(t, fmt.Sprintf("http://127.0.0.1:%d/test/first/%s", port, strings.ReplaceAll(url.PathEscape(id), ".", "%2E")))
		}
		for _, id := range ids {
			for typ, of := range map[string]string{"test/first": id, "test/second": id + long, "test/later": id} {
				x.eventually(fmt.Sprintf("%s/%.20q counts %d", typ, of, round), func() bool { return x.number(typ, of, "count") == round })
			}
		}
		x.halt() // all of it is in a checkpoint
		if round < 2 {
			continue
		}
		if err := os.RemoveAll(r.config.Data); err != nil {
			t.Fatal(err)
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func post(t *testing.T, target string) {
	t.Helper()
	resp, err := http.Post(target, "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		t.Fatalf("POST %.100s: %s", target, resp.Status)
	}
}
