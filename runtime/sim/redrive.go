package sim

import (
	"strings"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/shard"
)

// redrives are the dead letters that an operator has asked to be put back.
type redrives struct {
	asked []redrive // Request counts them, from 1
	back  map[letterAt]bool
}

// redrive is one request of an operator.
type redrive struct {
	shard core.ShardID
	keys  []core.DeadLetterKey
}

// letterAt is a dead letter as a generation knows it.
type letterAt struct {
	gen   core.Generation
	shard core.ShardID
	key   core.DeadLetterKey
}

// mostRedrives bounds how often one message is put back, so that a cluster drains.
const mostRedrives = 3

// redrive has an operator put back some of the dead letters that the node's stores show.
func (g *generation) redrive() {
	if g.s.leaping {
		return
	}
	for _, st := range g.stores {
		if st == nil || !g.s.chance(0.4) {
			continue
		}
		rows, _, err := st.Failures(shard.FailureKey{}, 50)
		if err != nil {
			g.s.fail("dead letters of shard %d: %v", st.Shard(), err)
		}
		if keys := g.s.chooseLetters(rows); len(keys) > 0 {
			g.askBack(st.Shard(), keys)
		}
	}
}

// chooseLetters takes some of the letters whose message has not come back too often.
func (s *Sim) chooseLetters(rows []shard.StoredFailure) (keys []core.DeadLetterKey) {
	for _, row := range rows {
		p := s.letterRow(row.Value)
		if p.redrives == mostRedrives || !s.chance(0.6) {
			continue
		}
		p.redrives++
		if p.poison < 0 && s.chance(0.6) { // somebody has mended the function
			s.count(PoisonMended)
			p.poison = s.rng.IntN(3)
		}
		keys = append(keys, core.DeadLetterKey{Until: row.Key.Time, Seq: row.Key.Seq})
	}
	return keys
}

// askBack asks for letters, at times for one twice, for one that never was, or for all of them again.
func (g *generation) askBack(id core.ShardID, keys []core.DeadLetterKey) {
	s := g.s
	if s.chance(0.2) {
		keys = append(keys, keys[s.rng.IntN(len(keys))])
	}
	if s.chance(0.1) {
		keys = append(keys, core.DeadLetterKey{Until: keys[0].Until, Seq: 1 << 40})
	}
	w := g.own(g.plan.owners[id])
	for again := true; again; again = s.chance(0.2) {
		s.model.redrives.asked = append(s.model.redrives.asked, redrive{id, keys})
		w.put(core.Redrive{Request: uint64(len(s.model.redrives.asked)), Shard: id, Keys: keys})
	}
	s.active = s.now
}

// done looks at what became of the letters of a request: none comes back twice, and only what is gone stays.
func (r *redrives) done(g *generation, e core.Redriven) {
	s, it := g.s, r.asked[e.Request-1]
	s.countIf(e.Problem != "", RedriveRefused)
	for i, l := range e.Letters {
		at := letterAt{g.id, it.shard, l.Key}
		switch {
		case l.Key != it.keys[i]:
			s.fail("a redrive of letter %v answers for %v", it.keys[i], l.Key)
		case strings.HasPrefix(l.Problem, "there is no such"):
			s.count(LetterGone)
		case l.Problem != "":
			s.fail("letter %v of shard %d: %s", l.Key, it.shard, l.Problem)
		case r.back[at]:
			s.fail("letter %v of shard %d was put back twice", l.Key, it.shard)
		default:
			s.count(LetterBack)
			s.active = s.now
			if r.back == nil {
				r.back = map[letterAt]bool{}
			}
			r.back[at] = true
		}
	}
}

// letterRow is the program of the message that a dead letter's row keeps.
func (s *Sim) letterRow(value []byte) *program {
	l, err := core.ParseDeadLetter(value)
	if err != nil {
		s.fail("a dead letter's row: %v", err)
	}
	p, _, _ := s.decodeMessage(l.Arg)
	if to := s.model.addrs[p.target]; l.Target != to {
		s.fail("the dead letter of program %d is of %s, not %s", p.id, l.Target, to)
	}
	return p
}
