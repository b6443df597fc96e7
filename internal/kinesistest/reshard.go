package kinesistest

import (
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/stateway/stateway/internal/kpl"
)

// number and hash turn a hash into a number and back.
func number(h kpl.Hash) *big.Int {
	n := new(big.Int).SetUint64(h.Hi)
	return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(h.Lo))
}

func hash(n *big.Int) kpl.Hash {
	low := new(big.Int).And(n, new(big.Int).SetUint64(1<<64-1))
	return kpl.Hash{Hi: new(big.Int).Rsh(n, 64).Uint64(), Lo: low.Uint64()}
}

func plus(h kpl.Hash, d int64) kpl.Hash { return hash(new(big.Int).Add(number(h), big.NewInt(d))) }

// ranges cuts all hashes into n equal ranges.
func ranges(n int) [][2]kpl.Hash {
	all := new(big.Int).Lsh(big.NewInt(1), 128)
	at := func(i int) kpl.Hash {
		return hash(new(big.Int).Div(new(big.Int).Mul(all, big.NewInt(int64(i))), big.NewInt(int64(n))))
	}
	out := make([][2]kpl.Hash, n)
	for i := range out {
		out[i] = [2]kpl.Hash{at(i), kpl.MaxHash}
		if i > 0 {
			out[i-1][1] = plus(out[i][0], -1)
		}
	}
	return out
}

// Open lists the ids of a stream's open shards, in the order of their ranges.
func (s *Service) Open(name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, sh := range s.streams[name].openShards() {
		ids = append(ids, sh.id)
	}
	return ids
}

func (st *stream) openShards() []*shard {
	open := slices.DeleteFunc(slices.Clone(st.shards), func(sh *shard) bool { return !sh.closed.IsZero() })
	slices.SortFunc(open, func(a, b *shard) int { return a.low.Compare(b.low) })
	return open
}

func (st *stream) close(sh *shard, now time.Time) {
	sh.closed, sh.last = now, st.sequence(sh)
}

// Split closes an open shard and opens its two halves.
func (s *Service) Split(name, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.streams[name]
	sh := st.shard(id)
	if sh == nil || !sh.closed.IsZero() || sh.low == sh.high {
		return fmt.Errorf("shard %s of %s cannot be split", id, name)
	}
	middle := number(sh.low)
	middle.Add(middle, number(sh.high)).Add(middle, big.NewInt(1)).Rsh(middle, 1)
	now := s.opts.Now()
	st.close(sh, now)
	st.open(sh.low, plus(hash(middle), -1), id, "", now)
	st.open(hash(middle), sh.high, id, "", now)
	s.changeLocked()
	return nil
}

// Merge closes two open shards with adjoining ranges and opens one for both.
func (s *Service) Merge(name, id, adjacent string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.streams[name]
	a, b := st.shard(id), st.shard(adjacent)
	if a == nil || b == nil || !a.closed.IsZero() || !b.closed.IsZero() || a.high == kpl.MaxHash || plus(a.high, 1) != b.low {
		return fmt.Errorf("shards %s and %s of %s cannot be merged", id, adjacent, name)
	}
	now := s.opts.Now()
	st.close(a, now)
	st.close(b, now)
	st.open(a.low, b.high, id, adjacent, now)
	s.changeLocked()
	return nil
}

// Resize does what UpdateShardCount does: split and merge until there are n shards, at most twice and at least half of those there were.
func (s *Service) Resize(name string, n int) error {
	open := s.Open(name)
	if n > 2*len(open) || 2*n < len(open) {
		return fmt.Errorf("%d shards cannot become %d", len(open), n)
	}
	for i := 0; i < n-len(open); i++ {
		if err := s.Split(name, open[i]); err != nil {
			return err
		}
	}
	for i := 0; i < len(open)-n; i++ {
		if err := s.Merge(name, open[2*i], open[2*i+1]); err != nil {
			return err
		}
	}
	return nil
}
