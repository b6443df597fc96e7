package egress

import "sync"

// Window bounds what is open on each lane, by records and by bytes. Safe for concurrent use.
type Window struct {
	records int
	bytes   int64
	lanes   []windowLane
}

type windowLane struct {
	mu      sync.Mutex
	records int
	bytes   int64
	_       [40]byte // keeps lanes on cache lines of their own
}

// NewWindow makes a window of so many records and bytes for each lane.
func NewWindow(lanes, records int, bytes int64) *Window {
	return &Window{records: records, bytes: bytes, lanes: make([]windowLane, lanes)}
}

// Reserve takes room for the first of recs and returns for how many there was: at least one if the
// lane has none open.
func (w *Window) Reserve(lane int, recs []Record) int {
	l := &w.lanes[lane]
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range recs {
		size := WindowSize(&recs[i])
		if l.records > 0 && (l.records >= w.records || l.bytes+size > w.bytes) {
			return i
		}
		l.records++
		l.bytes += size
	}
	return len(recs)
}

// Release gives back the room of so many records; size is the sum of their WindowSize.
func (w *Window) Release(lane, records int, size int64) {
	l := &w.lanes[lane]
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records -= records
	l.bytes -= size
}

// Open is how many records a lane has open.
func (w *Window) Open(lane int) int {
	l := &w.lanes[lane]
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.records
}

const recordOverhead = 96 // bytes of a Record beside its texts and value

// WindowSize is what a record counts in a Window, in bytes.
func WindowSize(r *Record) int64 { return int64(recordOverhead + len(r.Typename) + len(r.Value)) }
