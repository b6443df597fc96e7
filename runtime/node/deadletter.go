package node

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
)

// DeadLetterID names a dead letter that a node keeps. It stays the same across restarts.
type DeadLetterID struct {
	Shard core.ShardID
	Key   core.DeadLetterKey
}

// String writes the id as shard-until-sequence, which ParseDeadLetterID reads.
func (id DeadLetterID) String() string {
	return fmt.Sprintf("%d-%d-%d", id.Shard, id.Key.Until, id.Key.Seq)
}

// ParseDeadLetterID reads an id as String writes it.
func ParseDeadLetterID(s string) (DeadLetterID, error) {
	var n [3]uint64
	parts := strings.Split(s, "-")
	for i, part := range parts {
		v, err := strconv.ParseUint(part, 10, 63)
		if err != nil || len(parts) != len(n) || i == 0 && v >= core.MaxShards {
			return DeadLetterID{}, fmt.Errorf("dead letter %q: want an id as the list shows them, such as 3-1763738000000-42", s)
		}
		n[i] = v
	}
	key := core.DeadLetterKey{Until: core.Millis(n[1]), Seq: core.Seq(n[2])} //nolint:gosec // 63 bits
	return DeadLetterID{Shard: core.ShardID(n[0]), Key: key}, nil            //nolint:gosec // below MaxShards
}

// DeadLetter is a message that was given up and can be put back.
type DeadLetter struct {
	ID     DeadLetterID
	Letter core.KeptLetter
	// Problem says why the row does not tell its message, so that it cannot be put back; empty if it can. Letter is what is known.
	Problem string
}

// DeadLetters reads dead letters behind after (zero: from the first on), at most limit, and those of one page of a few megabytes at most: of one shard after
// the other, those first whose time is over first. More tells that there may be others behind next. It shows what the last checkpoint holds that the
// shard's store has.
func (n *Node) DeadLetters(ctx context.Context, after DeadLetterID, limit int) (letters []DeadLetter, next DeadLetterID, more bool, err error) {
	g := n.generation()
	if g == nil {
		return nil, next, false, ErrNotLeading
	}
	left := int64(deadLetterPage)
	for next = after; int(next.Shard) < len(g.stores); next = (DeadLetterID{Shard: next.Shard + 1}) {
		if err := ctx.Err(); err != nil {
			return nil, next, false, err
		}
		store, err := g.store(next.Shard)
		if err != nil {
			return nil, next, false, err
		}
		key := shard.FailureKey{Time: next.Key.Until, Seq: next.Key.Seq}
		rows, rest, err := store.FailuresWithin(key, limit-len(letters), left)
		if err != nil {
			return nil, next, false, err
		}
		for _, row := range rows {
			next.Key = core.DeadLetterKey{Until: row.Key.Time, Seq: row.Key.Seq}
			letters = append(letters, deadLetterOf(next, row.Value))
			left -= int64(len(row.Value))
		}
		if rest || len(letters) >= limit || left <= 0 {
			return letters, next, true, nil
		}
	}
	return letters, next, false, nil
}

// deadLetterPage bounds what one call reads, in bytes of rows; one row comes however large.
const deadLetterPage = 4 << 20

func deadLetterOf(id DeadLetterID, value []byte) DeadLetter {
	letter, err := core.ParseDeadLetter(value)
	d := DeadLetter{ID: id, Letter: letter}
	if err != nil {
		d.Problem = err.Error()
	}
	return d
}

// DeadLetter reads one dead letter; found is false if there is none of that id.
func (n *Node) DeadLetter(id DeadLetterID) (letter DeadLetter, found bool, err error) {
	g := n.generation()
	if g == nil {
		return letter, false, ErrNotLeading
	}
	if int(id.Shard) >= len(g.stores) {
		return letter, false, nil
	}
	store, err := g.store(id.Shard)
	if err != nil {
		return letter, false, err
	}
	l, err := store.Failure(id.Key)
	return DeadLetter{ID: id, Letter: l.Letter, Problem: l.Problem}, l.Size > 0, err
}

// Redrive puts the messages of dead letters back behind what waits at their Addresses, and tells for each in the order of ids why it stays: nil
// if it was put back. What was put back is a dead letter again if the node dies before its next checkpoint. The error is about what
// came before the first.
func (n *Node) Redrive(ctx context.Context, ids []DeadLetterID) ([]error, error) {
	g := n.generation()
	if g == nil || len(g.workers) == 0 {
		return nil, ErrNotLeading
	}
	failed := make([]error, len(ids))
	var shards []core.ShardID
	places := map[core.ShardID][]int{}
	for i, id := range ids {
		if int(id.Shard) >= len(g.stores) {
			failed[i] = fmt.Errorf("dead letter %s: there is no shard %d", id, id.Shard)
			continue
		}
		if places[id.Shard] == nil {
			shards = append(shards, id.Shard)
		}
		places[id.Shard] = append(places[id.Shard], i)
	}
	for _, s := range shards {
		g.redrive(ctx, s, places[s], ids, failed)
	}
	return failed, nil
}

// redrive puts letters of one shard back, those at the given places.
func (g *generation) redrive(ctx context.Context, id core.ShardID, places []int, ids []DeadLetterID, failed []error) {
	for len(places) > 0 {
		keys := make([]core.DeadLetterKey, 0, len(places))
		for _, i := range places {
			keys = append(keys, ids[i].Key)
		}
		done, err := g.redriveFirst(ctx, id, keys)
		if err != nil {
			for _, i := range places {
				failed[i] = fmt.Errorf("dead letter %s: %w", ids[i], err)
			}
			return
		}
		for k, l := range done {
			if l.Problem != "" {
				failed[places[k]] = fmt.Errorf("dead letter %s: %s", ids[places[k]], l.Problem)
			}
		}
		places = places[len(done):]
	}
}

// redriveFirst puts back as many letters as their worker reads at once, from the first on: at least one, or there is an error.
func (g *generation) redriveFirst(ctx context.Context, id core.ShardID, keys []core.DeadLetterKey) ([]core.RedrivenLetter, error) {
	answer, err := g.ask(ctx, g.workers[g.owners[id]], func(request uint64) core.Event {
		return core.Redrive{Request: request, Shard: id, Keys: keys}
	})
	if err != nil {
		return nil, fmt.Errorf("whether it was put back is not known: %w", err)
	}
	done := answer.(core.Redriven)
	if done.Problem != "" {
		return nil, errors.New(done.Problem)
	}
	if len(done.Letters) == 0 {
		return nil, fmt.Errorf("shard %d answers for none", id)
	}
	return done.Letters, nil
}

// store is a shard's store, once it answers.
func (g *generation) store(id core.ShardID) (*shard.Store, error) {
	if !g.serving[id].Load() {
		return nil, fmt.Errorf("%w: shard %d is being restored; ask again", ErrNotLeading, id)
	}
	return g.stores[id], nil
}
