package stateway_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/stateway/stateway/protocol/reqreply"
)

// Whatever arrives, Invoke answers with an error or with what the generated code reads.
func FuzzInvoke(f *testing.F) {
	for _, g := range recorded(f) {
		f.Add(unhex(f, g.Request))
	}
	app := goldenApp()
	f.Fuzz(func(t *testing.T, request []byte) {
		answer, err := app.Invoke(t.Context(), request)
		if err != nil {
			return
		}
		var from reqreply.FromFunction
		if err := proto.Unmarshal(answer, &from); err != nil {
			t.Fatal(err)
		}
		if from.Response == nil {
			t.Fatal("neither a result nor an incomplete context")
		}
	})
}
