package core

// loads bounds what is read from the stores: an Address's messages may be small, and its states large. Addresses whose rows are wanted
// queue while memory is full of others.
type loads struct {
	all     int             // Addresses that wait for their rows
	queue   fifo[*instance] // those that were not asked for yet
	reading int             // those that were
	usual   int64           // bytes of an Address, about
	beyond  int64           // bytes read beyond the budget since a store last took an overlay
}

// maxReading bounds reads under way.
const maxReading = 64

// firstReads are under way before the first has told how large an Address is, about.
const firstReads = 8

// ask asks for the rows of as many Addresses as memory has room for.
func (w *Worker) ask() {
	l := &w.loads
	for l.queue.len() > 0 && w.mayLoad() {
		in := l.queue.pop()
		l.reading++
		w.emit(LoadAddress{Shard: in.shard.id, Address: in.addr, MailboxCount: loadCount, MailboxBytes: loadBytes})
	}
}

// mayLoad reports whether another Address may be read. When those in memory cannot leave it, because they wait, fail or hang, others are
// read one by one, no more than an eighth of the memory from one checkpoint to the next: they leave when the stores hold what they changed.
func (w *Worker) mayLoad() bool {
	l := &w.loads
	if l.reading >= maxReading {
		return false
	}
	if w.cacheBytes+int64(l.reading)*l.usual < w.cacheLimit() {
		return true
	}
	w.hurry()
	return l.reading == 0 && w.ready == 0 && (l.beyond < w.cfg.Memory/8 || w.want == WantNothing)
}

func (w *Worker) cacheLimit() int64 { return w.cfg.Memory * 3 / 4 }

// loaded takes note of the size of an Address that was read.
func (l *loads) loaded(size int64, beyond bool) {
	l.all--
	l.reading--
	l.usual += (size - l.usual) / 8
	if beyond {
		l.beyond += size
	}
}
