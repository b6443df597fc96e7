package node_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stateway/stateway/runtime/node"
)

// What is given up by name is not deleted: the next start needs the name again, and what is put back goes on where it stood.
func TestDataThatIsGivenUpStays(t *testing.T) {
	y := newTally(t, 5000, 50)
	y.out.Fail(errors.New("down")) // records stay
	x := y.start().ready()
	x.eventually("records wait", func() bool { return x.metric("stateway_egress_unpublished") > 100 })
	x.eventually("so are states", func() bool { return x.number("test/tally", "0", "count") > 0 })
	x.kill()
	whole := y.parts
	for _, c := range []struct {
		names []string // the last one is looked for; without the ingress nothing new comes for the others
		drop  func(*node.Parts)
	}{
		{[]string{"test/in"}, func(*node.Parts) {}},
		{[]string{"test/in", "test/out"}, func(p *node.Parts) { p.Egresses = p.Egresses[1:] }},
		{[]string{"test/in", "test/tally"}, func(p *node.Parts) { p.EndpointOf = without(whole, "test/tally") }},
	} {
		name := c.names[len(c.names)-1]
		t.Run(name, func(t *testing.T) {
			y.t, y.parts = t, whole
			y.parts.Ingresses = nil
			c.drop(&y.parts)
			for range 2 {
				err := y.start(func(cfg *node.Config) { cfg.AllowDropped = c.names[:len(c.names)-1] }).wait()
				if !errors.Is(err, node.ErrDropped) || !strings.Contains(err.Error(), name) {
					t.Errorf("without the name: got %v, want %v: %s", err, node.ErrDropped, name)
				}
				y.start(func(cfg *node.Config) { cfg.AllowDropped = c.names }).ready().kill()
			}
		})
	}
	y.t, y.parts = t, whole
	y.out.Fail(nil)
	x = y.start().ready()
	y.done(x)
	y.verify(x)
}
