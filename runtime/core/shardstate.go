package core

// shard is what a worker holds of one shard that it owns.
type shard struct {
	id        ShardID
	w         *Worker
	open      *Overlay   // of the worker's epoch; nil while nothing changed
	frozen    []*Overlay // cut and not yet in the store, oldest first
	nextSeq   Seq
	restored  bool // the store answers reads
	empty     bool // the store holds no row at all, so nothing needs to be looked up
	applied   CheckpointID
	instances index
	specs     map[FunctionType]*specsRow // as the shard has them
	versions  map[FunctionType]int       // of the type's specs that they are
	dedupes   map[dedupeKey]*dedupeRow   // ids whose rows the store does not hold yet
	timers    timers
	letters   deadLetters
	outlets   map[EgressID]*outlet
	barrier   barrier
	checks    map[dedupeKey]*dedupeCheck
	unloaded  []*instance // to load as soon as the shard is restored
	unchecked []*Message  // to look up then
	backlog   []byte      // where the scan for waiting messages goes on
	scanning  bool
	scanned   bool
}

type dedupeKey struct {
	target Address
	id     string
}

// overlay is the open overlay, made at the epoch's first change, which a checkpoint is wanted for.
func (sh *shard) overlay() *Overlay {
	sh.w.wantCheckpoint(WantDirty)
	return sh.quietOverlay()
}

// quietOverlay is the open overlay for a change that alone is no reason for a checkpoint.
func (sh *shard) quietOverlay() *Overlay {
	if sh.open == nil {
		sh.open = newOverlay(sh.id, sh.w.epoch, &sh.w.overlayBytes)
	}
	return sh.open
}

// put adds a row to the open overlay.
func (sh *shard) put(l *rowLink, src rowWriter, size int64) { sh.overlay().put(l, src, size) }

// erase deletes a row: it vanishes if it came in this epoch; otherwise a tombstone is written.
func (sh *shard) erase(l *rowLink, src rowWriter) {
	sh.overlay().erase(l, src)
}

// eraseQuietly deletes the row of something published: alone it is no reason for a checkpoint.
func (sh *shard) eraseQuietly(l *rowLink, src rowWriter) {
	sh.quietOverlay().erase(l, src)
}

// overlayOf is the overlay that takes a row which belongs to epoch e: the open one, or one that was cut and is
// not handed over yet.
func (sh *shard) overlayOf(e Epoch) *Overlay {
	if e >= sh.w.epoch || planted == dropChannelRow {
		return sh.overlay()
	}
	if n := len(sh.frozen); n > 0 && sh.frozen[n-1].Epoch == e {
		return sh.frozen[n-1]
	}
	o := newOverlay(sh.id, e, &sh.w.overlayBytes)
	sh.frozen = append(sh.frozen, o)
	return o
}

func (sh *shard) seq() Seq {
	sh.nextSeq++
	return sh.nextSeq
}

// find is the instance of an Address, nil if it is not in memory.
func (sh *shard) find(hash uint64, a Address) *instance {
	for in := sh.instances.get(hash); in != nil; in = in.same {
		if in.addr.ID == a.ID && in.addr.Type == a.Type {
			return in
		}
	}
	return nil
}

// instance is the instance of an Address, made if it is not in memory.
func (sh *shard) instance(hash uint64, a Address) *instance {
	if in := sh.find(hash, a); in != nil {
		return in
	}
	in := &instance{addr: a, hash: hash, shard: sh, typ: sh.w.typeOf(a.Type), same: sh.instances.get(hash)}
	sh.instances.set(hash, in)
	if sh.empty {
		in.load = loaded
	}
	in.addBytes(int64(instanceOverhead + len(a.ID)))
	in.typ.instances++
	sh.w.instances++
	sh.w.hand.add(in)
	return in
}

// forget drops an instance from memory.
func (sh *shard) forget(in *instance) {
	if first := sh.instances.get(in.hash); first == in {
		if in.same == nil {
			sh.instances.remove(in.hash)
		} else {
			sh.instances.set(in.hash, in.same)
		}
	} else {
		for first.same != in {
			first = first.same
		}
		first.same = in.same
	}
	in.typ.instances--
	sh.w.instances--
	sh.w.hand.remove(in)
	sh.w.cacheBytes -= in.bytes
}

// barrier delays forgetting what a store did not hold yet until every read that was under way then
// has been answered: such a read may not have seen it.
type barrier struct {
	phase  uint64
	oldest uint64
	under  []int // reads under way, by phase from oldest on
	after  []func()
}

// begin notes a read and returns what end must be given.
func (b *barrier) begin() uint64 {
	for uint64(len(b.under)) <= b.phase-b.oldest {
		b.under = append(b.under, 0)
	}
	b.under[b.phase-b.oldest]++
	return b.phase
}

// end notes that a read was answered.
func (b *barrier) end(phase uint64) {
	b.under[phase-b.oldest]--
	b.settle()
}

// then runs f when all reads that are under way now have been answered.
func (b *barrier) then(f func()) {
	for uint64(len(b.under)) <= b.phase-b.oldest {
		b.under = append(b.under, 0)
	}
	b.phase++
	b.after = append(b.after, f)
	b.settle()
}

func (b *barrier) settle() {
	for b.oldest < b.phase && b.under[0] == 0 {
		f := b.after[0]
		b.under, b.after = b.under[1:], b.after[1:]
		b.oldest++
		f()
	}
}
