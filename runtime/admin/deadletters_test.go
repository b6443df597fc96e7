package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/protocol/wire"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/node"
)

func (f *fakeNode) DeadLetters(_ context.Context, after node.DeadLetterID, limit int) ([]node.DeadLetter, node.DeadLetterID, bool, error) {
	if !f.leads {
		return nil, after, false, node.ErrNotLeading
	}
	i := 0
	if after != (node.DeadLetterID{}) {
		i = slices.IndexFunc(f.letters, func(d node.DeadLetter) bool { return d.ID == after }) + 1
	}
	page := f.letters[i:min(i+min(limit, 2), len(f.letters))]
	if len(page) > 0 {
		after = page[len(page)-1].ID
	}
	return page, after, i+len(page) < len(f.letters), nil
}

func (f *fakeNode) DeadLetter(id node.DeadLetterID) (node.DeadLetter, bool, error) {
	for _, d := range f.letters {
		if d.ID == id {
			return d, true, nil
		}
	}
	return node.DeadLetter{}, false, nil
}

func (f *fakeNode) Redrive(_ context.Context, ids []node.DeadLetterID) ([]error, error) {
	if !f.leads {
		return nil, node.ErrNotLeading
	}
	failed := make([]error, len(ids))
	for i, id := range ids {
		if d, found, _ := f.DeadLetter(id); !found || d.Problem != "" {
			failed[i] = errors.New("it stays")
			continue
		}
		f.done = append(f.done, "redrive "+id.String())
	}
	return failed, nil
}

func letterID(n int) node.DeadLetterID {
	return node.DeadLetterID{Shard: core.ShardID(n), Key: core.DeadLetterKey{Until: 9000, Seq: core.Seq(n)}} //nolint:gosec // small
}

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// newLetters is a fake node with five dead letters, ten seconds apart; the last is damaged.
func newLetters() *fakeNode {
	f := newFake()
	for i, a := range []core.Address{kim(), {Type: "shop/cart", ID: "Lee"}, {Type: "shop/bill", ID: "Lee"}, {Type: "bank/bill", ID: "Lee"}, {}} {
		l := core.KeptLetter{Target: a, Caller: kim(), Typename: "io.statefun.types/long"}
		if i == 0 {
			l.Trace = trace.Parse(traceparent)
		}
		l.Arg = wire.AppendTypedValue(nil, l.Typename, []byte{9, 42, 0, 0, 0, 0, 0, 0, 0})
		l.Failure = core.Failure{First: 1000, Last: core.Millis(10_000 * (i + 1)), Attempts: i + 1, Reasons: []string{"status 500", "reason " + a.ID}}
		f.letters = append(f.letters, node.DeadLetter{ID: letterID(i), Letter: l})
	}
	f.letters[4].Problem, f.letters[4].Letter = "damaged", core.KeptLetter{}
	return f
}

func TestDeadLettersAreChosen(t *testing.T) {
	c, base := serveFake(t, newLetters(), nil)
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	for _, x := range []struct {
		filter DeadLetterFilter
		want   string
	}{
		{DeadLetterFilter{}, "01234"},
		{DeadLetterFilter{Type: "shop/cart"}, "01"},
		{DeadLetterFilter{Type: "shop/*"}, "012"},
		{DeadLetterFilter{Type: "shop"}, ""},
		{DeadLetterFilter{Address: kim().String()}, "0"},
		{DeadLetterFilter{Error: "reason Lee"}, "123"},
		{DeadLetterFilter{Error: "status"}, "0123"},
		{DeadLetterFilter{Since: at(20), Until: at(40)}, "12"},
		{DeadLetterFilter{Type: "shop/*", Error: "Lee", Since: at(30)}, "2"},
	} {
		for _, limit := range []int{1, 2, 3, 100} {
			got, pages := "", 0
			for after := ""; ; pages++ {
				list, err := c.DeadLetters(t.Context(), x.filter, after, limit)
				if err != nil {
					t.Fatal(err)
				}
				if len(list.DeadLetters) > limit || pages > 9 {
					t.Fatalf("%+v: page %d of %d, limit %d", x.filter, pages, len(list.DeadLetters), limit)
				}
				for _, d := range list.DeadLetters {
					got += d.ID[:1]
				}
				if after = list.Next; after == "" {
					break
				}
			}
			if got != x.want {
				t.Errorf("%+v, %d at a time: got %q, want %q", x.filter, limit, got, x.want)
			}
		}
	}
	for _, q := range []string{"limit=0", "limit=x", "since=yesterday", "until=1", "after=7"} {
		if status, _, body := ask(t, http.MethodGet, base+"/api/v1/deadletters?"+q, "", nil); status != 400 {
			t.Errorf("%s: %d %s", q, status, body)
		}
	}
}

func TestDeadLetterIsShown(t *testing.T) {
	c, base := serveFake(t, newLetters(), nil)
	got, err := c.DeadLetter(t.Context(), letterID(0).String())
	ms := func(n int64) *time.Time { u := time.UnixMilli(n).UTC(); return &u }
	compare(t, "letter", got, err, DeadLetter{
		ID: "0-9000-0", Address: kim().String(), Caller: kim().String(), Type: "io.statefun.types/long", Traceparent: traceparent, Attempts: 1,
		FirstFailure: ms(1000), LastFailure: ms(10_000), KeptUntil: ms(9000), Reasons: []string{"status 500", "reason " + kim().ID},
		Size: 9, Value: []byte("42"), Argument: newLetters().letters[0].Letter.Arg,
	})
	got, err = c.DeadLetter(t.Context(), letterID(4).String())
	compare(t, "damaged letter", got, err, DeadLetter{ID: "4-9000-4", KeptUntil: ms(9000), Problem: "damaged"})
	for id, want := range map[string]int{"9-9-9": 404, "9": 400, "": 400} {
		if status, _, body := ask(t, http.MethodGet, base+"/api/v1/deadletter?id="+id, "", nil); status != want {
			t.Errorf("%q: %d %s, want %d", id, status, body, want)
		}
	}
}

func TestDeadLettersArePutBack(t *testing.T) {
	f := newLetters()
	c, base := serveFake(t, f, nil)
	got, err := c.Redrive(t.Context(), []string{"1-9000-1", "4-9000-4", "0-9000-0"})
	compare(t, "redriven", got, err, []Redriven{{ID: "1-9000-1"}, {ID: "4-9000-4", Error: "it stays"}, {ID: "0-9000-0"}})
	if want := []string{"redrive 1-9000-1", "redrive 0-9000-0"}; !slices.Equal(f.done, want) {
		t.Errorf("done: %v, want %v", f.done, want)
	}
	many := `{"ids":["1-1-1"` + strings.Repeat(`,"1-1-1"`, maxRedrive) + `]}`
	for body, want := range map[string]int{`{`: 400, `{"ids":[]}`: 400, `{"ids":["x"]}`: 400, `{"all":true}`: 400, many: 400, `{"ids":["` + strings.Repeat("1", maxBody) + `"]}`: 413} {
		if status, _, text := ask(t, http.MethodPost, base+"/api/v1/deadletters/redrive", body, nil); status != want {
			t.Errorf("%.40s: %d %s, want %d", body, status, text, want)
		}
	}
	plain := func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }
	if status, _, text := ask(t, http.MethodPost, base+"/api/v1/deadletters/redrive", `{"ids":["1-9000-1"]}`, plain); status != 415 {
		t.Errorf("text/plain: %d %s", status, text)
	}
	f.leads = false
	if _, err := c.Redrive(t.Context(), []string{"1-9000-1"}); err == nil || !strings.Contains(err.Error(), "does not serve") {
		t.Errorf("of a node that waits: %v", err)
	}
}
