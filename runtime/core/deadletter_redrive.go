package core

import "fmt"

// redriveBytes bounds what one read brings of the dead letters to put back; one always comes, however large.
const redriveBytes = 4 << 20

// onRedrive asks the store for the letters that an operator wants put back.
func (w *Worker) onRedrive(ev Redrive) {
	if problem := w.redriveProblem(ev.Shard); problem != "" || len(ev.Keys) == 0 {
		w.emit(Redriven{Request: ev.Request, Problem: problem})
		return
	}
	sh := w.shards[ev.Shard]
	if sh.letters.redrives == nil {
		sh.letters.redrives = map[uint64]uint64{}
	}
	sh.letters.redrives[ev.Request] = sh.barrier.begin()
	w.emit(LoadFailures{Shard: ev.Shard, Request: ev.Request, Keys: ev.Keys, Bytes: redriveBytes})
}

// redriveProblem says why nothing can be put back in a shard now; empty if it can.
func (w *Worker) redriveProblem(id ShardID) string {
	switch {
	case int64(id) >= int64(len(w.shards)) || w.shards[id] == nil:
		return fmt.Sprintf("there is no shard %d on this worker", id)
	case !w.shards[id].restored:
		return fmt.Sprintf("shard %d is being restored; try again", id)
	case w.halting:
		return "the node is about to stop; try again when it serves"
	case w.overBudget():
		return "the worker is over its memory budget; try again when less waits"
	}
	return ""
}

// onFailuresLoaded puts messages back behind what waits at their Addresses: in one epoch the failure row goes and the mailbox row comes.
func (w *Worker) onFailuresLoaded(ev FailuresLoaded) {
	sh := w.shards[ev.Shard]
	if sh == nil {
		return
	}
	phase, asked := sh.letters.redrives[ev.Request]
	if !asked {
		return
	}
	delete(sh.letters.redrives, ev.Request)
	reply := Redriven{Request: ev.Request, Letters: make([]RedrivenLetter, 0, len(ev.Letters))}
	for i := range ev.Letters {
		l := &ev.Letters[i]
		reply.Letters = append(reply.Letters, RedrivenLetter{Key: l.Key, Problem: w.redrive(sh, l)})
	}
	sh.barrier.end(phase)
	w.emit(reply)
}

// redrive puts one message back, or says why it stays.
func (w *Worker) redrive(sh *shard, l *LoadedLetter) string {
	switch {
	case l.Size == 0 || sh.letters.gone[l.Key]:
		return "there is no such dead letter: it was put back, its time was over, or there were too many"
	case l.Problem != "":
		return "it cannot be put back: " + l.Problem
	}
	to := l.Letter.Target
	if w.cfg.Sharding.Of(to.Hash()) != sh.id {
		return fmt.Sprintf("it cannot be put back: %s does not belong to shard %d, in which the letter lies", to, sh.id)
	}
	if err := w.checker.target(to); err != nil {
		return "it cannot be put back: " + err.Error()
	}
	if planted != redriveKept {
		w.dropLetter(sh, l.Key, l.Size)
	}
	w.stats.DeadLettersBack++
	w.send(&Message{Target: to, Caller: l.Letter.Caller, Arg: l.Letter.Arg, Trace: l.Letter.Trace})
	return ""
}
