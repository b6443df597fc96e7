package file

import "bytes"

const (
	// maxUnsynced is how much an Emitter writes between two syncs, so it is what a crash can damage.
	maxUnsynced = 16 << 20
	// repairBlock is how much is read at a time.
	repairBlock = 1 << 20
)

// repair cuts off what a crash in the middle of a write left behind: a line without end, and lines
// with holes. A write that was not synced may have grown the file without its bytes, which then
// read as zeros; a line never holds a zero byte. Nothing of it was ever done. It returns the end.
func repair(f file) (end int64, err error) {
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	start := max(size-maxUnsynced-repairBlock, 0)
	if end, err = lastGoodLine(f, start, size); err != nil || end == size {
		return end, err
	}
	if end < 0 { // one line longer than all that was looked at: let it be, and begin a new one
		if _, err := f.WriteAt([]byte{'\n'}, size); err != nil {
			return 0, err
		}
		return size + 1, f.Sync()
	}
	if err := f.Truncate(end); err != nil {
		return 0, err
	}
	return end, f.Sync()
}

// lastGoodLine is the end of the last line in start to size before any hole: start if that is the file's start
// and there is none, -1 if it is not.
func lastGoodLine(f file, start, size int64) (int64, error) {
	end := int64(-1)
	if start == 0 {
		end = 0
	}
	block := make([]byte, repairBlock)
	for at := start; at < size; at += repairBlock {
		b := block[:min(repairBlock, size-at)]
		if _, err := f.ReadAt(b, at); err != nil {
			return 0, err
		}
		hole := bytes.IndexByte(b, 0)
		if hole >= 0 {
			b = b[:hole]
		}
		if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
			end = at + int64(i) + 1
		}
		if hole >= 0 {
			break
		}
	}
	return end, nil
}
