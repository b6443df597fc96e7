package core

// deadLetters is what a shard counts of the dead letters that it keeps for putting back.
type deadLetters struct {
	rows    int
	bytes   int64
	due     Millis       // when the first may end to be kept, as far as known
	reading bool         // ReadFailures is under way
	phase   uint64       // of that read
	wait    CheckpointID // the store must hold it before the next read, for it deletes what the last has seen

	gone     map[DeadLetterKey]bool // deleted, while the store may still hold them
	redrives map[uint64]uint64      // requests to put some back that are being read, with the phases of their reads
}

const (
	failuresRead     = 256 // dead letters looked at in one read
	failureKeyLength = 17
)

// keepLetter keeps a dead letter until its time is over or too many are kept.
func (w *Worker) keepLetter(sh *shard, until Millis, letter []byte) {
	row := &failureRow{at: until, seq: sh.seq(), val: letter}
	sh.put(&row.row, row, int64(len(letter)+failureKeyLength))
	d := &sh.letters
	d.rows++
	d.bytes += int64(len(letter) + failureKeyLength)
	if d.due == 0 || until < d.due {
		d.due = until
	}
	w.sweepAgain()
}

// sweepLetters reads the first dead letters of a shard when one may be over, or when they are too many.
func (w *Worker) sweepLetters(sh *shard) {
	d := &sh.letters
	if d.rows == 0 {
		return
	}
	w.swept = true
	if d.reading || d.wait > sh.applied || (d.due > w.now && !w.tooMany(d)) {
		return
	}
	d.reading = true
	d.phase = sh.barrier.begin()
	w.emit(ReadFailures{Shard: sh.id, Limit: failuresRead})
}

// tooMany reports whether a shard keeps more dead letters than it may. One alone stays, however large it is.
func (w *Worker) tooMany(d *deadLetters) bool { return d.rows > 1 && d.bytes > w.letterBudget() }

// letterBudget bounds the dead letters that a shard keeps, in bytes.
func (w *Worker) letterBudget() int64 {
	return max(64<<10, w.cfg.DeadLetterBytes/int64(w.cfg.Sharding.Shards()))
}

// onFailuresRead deletes the dead letters whose time is over, and the oldest while there are too many.
func (w *Worker) onFailuresRead(ev FailuresRead) {
	sh := w.shards[ev.Shard]
	if sh == nil || !sh.letters.reading {
		return
	}
	sh.letters.reading = false
	w.dropLetters(sh, ev.Rows)
	sh.barrier.end(sh.letters.phase)
}

func (w *Worker) dropLetters(sh *shard, rows []StoredFailure) {
	d := &sh.letters
	d.due = w.now + sweepEvery // what is not in the store yet is looked at later
	for _, f := range rows {
		key := DeadLetterKey{Until: f.Until, Seq: f.Seq}
		if d.gone[key] {
			continue // put back since
		}
		if f.Until > w.now && !w.tooMany(d) {
			d.due = f.Until
			return
		}
		if f.Until > w.now {
			w.stats.DeadLettersDropped++
		}
		w.dropLetter(sh, key, f.Size)
		d.wait = w.epoch.Checkpoint()
	}
}

// dropLetter deletes a dead letter that the store holds.
func (w *Worker) dropLetter(sh *shard, key DeadLetterKey, size int64) {
	row := &failureRow{at: key.Until, seq: key.Seq}
	sh.erase(&row.row, row)
	o := sh.overlay()
	o.letters = append(o.letters, key)
	d := &sh.letters
	d.rows--
	d.bytes -= size
	if d.gone == nil {
		d.gone = map[DeadLetterKey]bool{}
	}
	d.gone[key] = true
}
