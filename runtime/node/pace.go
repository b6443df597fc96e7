package node

import "time"

const (
	paceEvery = 50 * time.Millisecond // between two looks at what a partition may have under way
	paceDelay = 50 * time.Millisecond // how long a message of a partition that is held back waits, when waiting makes batches larger
	paceFloor = 512 << 10             // bytes under way of all partitions of an ingress together, at least
	paceLeast = 32 << 10              // the same of one partition
)

// pace is how many bytes of a partition may be under way: put, and not yet consumed or moved out of memory. Room for much keeps every function busy;
// more than that only makes messages wait, which costs memory, rows (each message that waits at a cut is one) and latency. So the room is
// small until there is a reason for more: a worker that could do more than it has, or batches that grow with what waits. And it
// leaves room beside what gets nowhere.
type pace struct {
	limit int64 // bytes under way beyond which nothing more is put
	least int64
	most  int64

	used     int64 // bytes under way
	put      int64 // bytes that were put since the last look
	back     int64 // bytes that came back since then
	blocked  bool  // the partition had to wait since the last look
	looked   time.Time
	consumed uint64 // of the workers' counters, at the last look
	batches  uint64
}

// newPace makes the pace of one of so many partitions that share most bytes.
func newPace(most int64, partitions int) pace {
	p := pace{most: most, least: min(most, max(paceLeast, paceFloor/int64(max(1, partitions))))}
	p.limit = p.least
	return p
}

// open reports whether something may be put. What is put then may go beyond the limit, so that one large batch gets through.
func (p *pace) open() bool { return p.used < p.limit }

// take uses so many bytes.
func (p *pace) take(n int64) { p.used, p.put = p.used+n, p.put+n }

// demand is what the workers say of their work: consumed messages and the batches they came in, since they began, and whether one
// of them could do more than it has.
type demand struct {
	consumed, batches uint64
	starving          bool
}

// batchesGrow reports whether messages travel several at a time.
func (p *pace) batchesGrow(d demand) bool {
	return d.consumed-p.consumed > (d.batches-p.batches)*5/4
}

// due reports whether it is time to look.
func (p *pace) due(now time.Time) bool { return now.Sub(p.looked) >= paceEvery }

// look sets the limit by what happened since the last look. It reports whether the partition is held back and nothing came back, or is
// about to be with half of all that it may ever have, though a worker starves.
func (p *pace) look(now time.Time, d demand) (short bool) {
	looks := float64(max(paceEvery, now.Sub(p.looked))) / float64(paceEvery) // that could have been made
	next := int64(float64(p.put) / looks)                                    // bytes that come until the next one if it goes on like that
	wanted := p.least
	if p.batchesGrow(d) {
		wanted = max(p.least, int64(float64(p.back)/looks*float64(paceDelay)/float64(paceEvery)))
	}
	hungry := d.starving && (p.blocked || p.used+next > p.limit)
	short = p.blocked && p.back == 0 || hungry && p.limit >= p.most/2
	switch {
	case hungry:
		p.limit *= 2
	case p.blocked && p.limit < wanted:
		p.limit = min(p.limit*2, wanted)
	default:
		if !p.blocked {
			wanted = max(wanted, p.used+2*next) // or it would be held back at the look after the next
		}
		p.limit -= max(0, p.limit-wanted+7) / 8
	}
	p.limit = min(max(p.limit, p.least), p.most)
	p.looked, p.consumed, p.batches = now, d.consumed, d.batches
	p.put, p.back, p.blocked = 0, 0, false
	return short
}
