package lineage

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stateway/stateway/runtime/ingress"
)

// parse reads shards as "a", "b<a" (a child of a), "d<b+c" (of a merge); an x behind the id says that it is closed.
func parse(text string) []Shard {
	var shards []Shard
	for _, word := range strings.Fields(text) {
		id, parents, _ := strings.Cut(word, "<")
		parent, adjacent, _ := strings.Cut(parents, "+")
		name, closed := strings.CutSuffix(id, "x")
		shards = append(shards, Shard{ID: name, Parent: parent, Adjacent: adjacent, Open: !closed})
	}
	return shards
}

// at is a known partition: "a" is being read, "ax" has ended. seen is the position's.
func at(text string, origin, seen int64) []ingress.Partition {
	var parts []ingress.Partition
	for _, word := range strings.Fields(text) {
		id, ended := strings.CutSuffix(word, "x")
		b, err := Position{Kind: After, Sequence: "7", Origin: origin, Seen: seen}.Encode(nil)
		if err != nil {
			panic(err)
		}
		parts = append(parts, ingress.Partition{ID: id, Position: b, Ended: ended})
	}
	return parts
}

// show writes partitions as they are read: id, x if ended, where from.
func show(parts []ingress.Partition) string {
	var words []string
	for _, p := range parts {
		pos, err := ParsePosition(p.Position)
		where := map[Kind]string{Horizon: "oldest", AtTime: fmt.Sprint("time", pos.Time), After: "known"}[pos.Kind]
		if err != nil {
			where = "?"
		}
		if p.Ended {
			where = "ended"
		}
		words = append(words, p.ID+":"+where)
	}
	return strings.Join(words, " ")
}

func TestFirstStart(t *testing.T) {
	tests := []struct {
		rule, shards string
		start        Start
		want         string
	}{
		{"latest: open shards from now on", "ax b<a c<a dx", Start{Time: 5}, "b:time5 c:time5"},
		{"latest: a shard that was split between two pages of the list comes first", "a b<a c<a d", Start{Time: 5}, "a:time5 d:time5"},
		{"latest: shards that were merged between two pages come first", "a b c<a+b", Start{Time: 5}, "a:time5 b:time5"},
		{"latest: a grandchild of a shard that is listed as open", "a bx<a c<b d<b", Start{Time: 5}, "a:time5"},
		{"earliest: the oldest that are listed", "ax b<a c<a d<gone", Start{Kind: Earliest}, "a:oldest d:oldest"},
		{"earliest after a merge", "ax bx c<a+b", Start{Kind: Earliest}, "a:oldest b:oldest"},
		{"earliest: one parent of a merge is gone", "bx c<a+b", Start{Kind: Earliest}, "b:oldest"},
		{"date: the shards that were open then", "ax bx<a c<a d<b e<b", Start{Kind: Date, Time: 9, Covering: []string{"b", "c"}}, "b:time9 c:time9"},
		{"date at the moment of a split: the parent first", "ax b<a c<a", Start{Kind: Date, Time: 9, Covering: []string{"a", "b", "c"}}, "a:time9"},
		{"date without knowing which were open: all, in order", "ax b<a c<a", Start{Kind: Date, Time: 9}, "a:time9"},
		{"a shard that names itself is no child", "a<a", Start{Kind: Earliest}, "a:oldest"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			got, err := Partitions(nil, parse(tt.shards), tt.start)
			if err != nil || show(got) != tt.want {
				t.Errorf("got %s, %v; want %s", show(got), err, tt.want)
			}
		})
	}
}

func TestNothingToBeginWith(t *testing.T) {
	for _, shards := range []string{"", "ax"} {
		if parts, err := Partitions(nil, parse(shards), Start{Time: 1}); !errors.Is(err, ErrNoShards) {
			t.Errorf("%q: %v, %v", shards, parts, err)
		}
	}
	if _, err := Partitions(at("a", 0, 0), nil, Start{Time: 1}); !errors.Is(err, ErrNoShards) {
		t.Errorf("an empty list is believed: %v", err)
	}
	if _, err := Partitions(nil, parse("a"), Start{Kind: Date, Time: -1}); err == nil {
		t.Error("a date before 1970 is taken")
	}
}

func TestLaterStarts(t *testing.T) {
	tests := []struct {
		rule, known, shards string
		origin              int64
		want                string
	}{
		{"what is known comes back as it is", "a b", "a b", 0, "a:known b:known"},
		{"children wait for their parent", "a", "ax b<a c<a", 0, "a:known"},
		{"children come once their parent's end is known", "ax", "ax b<a c<a", 5, "a:ended b:oldest c:oldest"},
		{"one end of a merge is not enough", "ax b", "ax bx c<a+b", 0, "a:ended b:known"},
		{"both ends of a merge are", "ax bx", "ax bx c<a+b", 0, "a:ended b:ended c:oldest"},
		{"grandchildren wait", "ax", "ax bx<a c<a d<b e<b", 0, "a:ended b:oldest c:oldest"},
		{"tombstones stay while they are listed", "ax b c", "ax b<a c<a", 0, "a:ended b:known c:known"},
		{"tombstones go with the list", "ax b c", "b<a c<a", 0, "b:known c:known"},
		{"a list that is older than a shard takes no tombstone away", "ax bx", "a", 0, "a:ended b:ended"},
		{"a tombstone stays while a child is not known", "ax b", "b<a c<a", 0, "a:ended b:known c:oldest"},
		{"a tombstone stays while its child waits for another parent", "ax b", "bx c<a+b", 0, "a:ended b:known"},
		{"what is known and not ended stays, listed or not: reading says what is lost", "a", "b<a", 0, "a:known"},
		{"what was before the start is passed over", "c", "ax bx<a c<b", 5, "c:known"},
		{"even if only one of its children was committed", "b", "ax b<a c<a", 5, "b:known c:time5"},
		{"a root that the first start did not commit begins where the others did", "a", "a b", 5, "a:known b:time5"},
		{"it does so for earliest, too", "a", "a b", 0, "a:known b:oldest"},
		{"and so does one that is closed by now, before its children", "a", "a bx c<b d<b", 5, "a:known b:time5"},
		{"all that was before is gone: from the start on", "ax", "d<c", 5, "a:ended d:time5"},
		{"half of what was before is gone", "ax", "c<a+b", 5, "a:ended c:oldest"},
		{"a loop is waited for, not walked for ever", "a", "a b<c c<b", 0, "a:known"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			got, err := Partitions(at(tt.known, tt.origin, 3), parse(tt.shards), Start{Kind: Latest, Time: 99})
			if err != nil || show(got) != tt.want {
				t.Errorf("got %s, %v; want %s", show(got), err, tt.want)
			}
		})
	}
}

func TestWaitingShardsNameTheirParents(t *testing.T) {
	got := Waiting(at("ax b c", 5, 3), parse("zx ax<z bx cx d<b+c e<d f<a"))
	want := map[string][]string{"d": {"b", "c"}, "e": {"d"}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("waiting: %v, want %v", got, want)
	}
	if got := Waiting(nil, parse("ax b<a")); got != nil {
		t.Errorf("before the first start: %v", got)
	}
}

func TestChildrenKnowWhatTheirParentsHadSeen(t *testing.T) {
	known := slices.Concat(at("ax", 5, 100), at("bx", 5, 200))
	parts, err := Partitions(known, parse("ax bx c<a+b"), Start{})
	if err != nil {
		t.Fatal(err)
	}
	if pos, err := ParsePosition(parts[2].Position); err != nil || pos != (Position{Kind: Horizon, Seen: 200, Origin: 5}) {
		t.Errorf("the merged shard starts at %+v, %v", pos, err)
	}
}

func TestPositionsOfOthersAreLeftToReading(t *testing.T) {
	known := []ingress.Partition{{ID: "a", Position: []byte("nonsense")}}
	parts, err := Partitions(known, parse("a b"), Start{Time: 9})
	if err != nil || show(parts) != "a:? b:oldest" {
		t.Errorf("got %s, %v", show(parts), err)
	}
}
