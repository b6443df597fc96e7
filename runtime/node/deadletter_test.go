package node_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/node"
)

// keepsLetters lets messages that fail become dead letters.
func (y *troubled) keepsLetters() {
	e := &y.parts.Endpoints[0].Core
	e.OnFailure, e.DeadLetter, e.Retain = core.DeadLetter, 1, 1<<40
}

// kept are all dead letters that the node's stores hold, read page by page.
func (x *running) kept() []node.DeadLetter {
	x.t.Helper()
	var all []node.DeadLetter
	for after, more := (node.DeadLetterID{}), true; more; {
		page, next, rest, err := x.DeadLetters(x.t.Context(), after, 3)
		if err != nil {
			x.t.Fatal(err)
		}
		all, after, more = append(all, page...), next, rest
	}
	return all
}

func idsOf(letters []node.DeadLetter) []node.DeadLetterID {
	var ids []node.DeadLetterID
	for _, l := range letters {
		ids = append(ids, l.ID)
	}
	return ids
}

// Dead letters are listed with what became of them, are found by their ids after a restart, and go back, each once.
func TestRedrive(t *testing.T) {
	y := newTroubled(t)
	y.keepsLetters()
	x := y.start().ready()
	y.send("error", "panic", "error")
	x.eventually("three letters are kept", func() bool { return len(x.kept()) == 3 })
	letters := x.kept()
	x.kill()
	x = y.start().ready()
	for _, l := range letters {
		id, err := node.ParseDeadLetterID(l.ID.String())
		if err != nil || id != l.ID {
			t.Errorf("%s is read as %s: %v", l.ID, id, err)
		}
		again, found, err := x.DeadLetter(id)
		if err != nil || !found || again.Letter.Target != l.Letter.Target || again.Problem != "" {
			t.Errorf("%s after a restart: %+v, %v, %v", id, again, found, err)
		}
		if l.Letter.Attempts != 3 || !strings.Contains(l.Letter.Reason(), "no good") || l.Letter.Typename == "" {
			t.Errorf("letter %+v", l)
		}
	}
	y.cured.Store(true)
	none := node.DeadLetterID{Shard: 99}
	failed, err := x.Redrive(t.Context(), append(idsOf(letters), letters[0].ID, none))
	if err != nil {
		t.Fatal(err)
	}
	for i, err := range failed {
		if (err == nil) != (i < 3) {
			t.Errorf("letter %d: %v", i, err)
		}
	}
	x.eventually("they count", func() bool {
		return x.number("test/count", "error", "count") == 2 && x.number("test/count", "panic", "count") == 1
	})
	x.eventually("none is kept", func() bool { return len(x.kept()) == 0 })
	if got := x.metric("stateway_dead_letters_redriven_total"); got != 3 {
		t.Errorf("%v put back, want 3", got)
	}
	if _, found, err := x.DeadLetter(letters[0].ID); found || err != nil {
		t.Errorf("what was put back is found: %v, %v", found, err)
	}
}

// Nodes die while letters are put back again and again: in the end every message has counted once.
func TestRedriveThroughKills(t *testing.T) {
	const addresses, kills = 40, 12
	y := newTroubled(t)
	y.keepsLetters()
	y.parts.Endpoints[0].Core.MaxBatch = 1
	x := y.start().ready()
	for i := range addresses {
		y.send(fmt.Sprint("error", i))
		y.good(x, 20) // an endpoint that only fails counts as in trouble
	}
	x.eventually("all are kept", func() bool { return len(x.kept()) == addresses })
	y.cured.Store(true)
	random := rand.New(rand.NewPCG(1, 2))
	for range kills {
		ids := idsOf(x.kept())
		random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		if _, err := x.Redrive(t.Context(), ids[:min(len(ids), addresses/kills)]); err != nil {
			t.Fatal(err)
		}
		if random.IntN(2) == 0 { // sometimes before the checkpoint, sometimes behind
			before := len(ids)
			x.eventually("the stores know", func() bool { return before == 0 || len(x.kept()) < before })
		}
		x.kill()
		x = y.start().ready()
	}
	if _, err := x.Redrive(t.Context(), idsOf(x.kept())); err != nil {
		t.Fatal(err)
	}
	x.eventually("no letter is kept", func() bool { return len(x.kept()) == 0 })
	for i := range addresses {
		id := fmt.Sprint("error", i)
		x.eventually(id+" has counted", func() bool { return x.number("test/count", id, "count") > 0 })
	}
	y.good(x, 50)
	x.eventually("nothing waits", func() bool { return x.metric("stateway_ready_addresses")+x.metric("stateway_in_flight") == 0 })
	for i := range addresses {
		if got := x.number("test/count", fmt.Sprint("error", i), "count"); got != 1 {
			t.Errorf("error%d counted %d, want 1", i, got)
		}
	}
	counted := map[string]int{}
	for _, r := range y.out.Records() {
		counted[string(r.Value)]++
	}
	for i := range addresses {
		if got := counted[fmt.Sprint("error", i)]; got != 1 {
			t.Errorf("error%d was published %d times", i, got)
		}
	}
}

func TestDeadLetterIDs(t *testing.T) {
	for _, s := range []string{"", "1", "1-2", "1-2-3-4", "a-2-3", "-1-2-3", "1-2-", "99999999999-2-3", "1-2-99999999999999999999", " 1-2-3", "+1-2-3"} {
		if id, err := node.ParseDeadLetterID(s); err == nil {
			t.Errorf("%q is read as %s", s, id)
		}
	}
}

func FuzzParseDeadLetterID(f *testing.F) {
	f.Add("3-1763738000000-42")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := node.ParseDeadLetterID(s)
		if err != nil {
			return
		}
		if again, err := node.ParseDeadLetterID(id.String()); err != nil || again != id {
			t.Errorf("%q is %s, read again as %s: %v", s, id, again, err)
		}
	})
}
