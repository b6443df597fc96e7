package checkpoint

import "github.com/stateway/stateway/runtime/core"

// What tests of package checkpoint_test look into.
var (
	LogKey           = logKey
	FolderKey        = folderKey
	SegmentName      = segmentName
	BaseFileName     = baseFileName
	ParseObjectName  = parseObjectName
	DecodeSection    = decodeSection
	DecodeFrame      = decodeSegmentFrame
	DecodeEntryAs    = decodeEntry
	DecodeApp        = decodeApplication
	DecodeBlockCount = countRows
)

func (e *Entry) Encode(id core.ApplicationID) []byte { return e.encode(id) }

func (a *Application) Encode() []byte { return a.encode() }

func (a *Application) Key(name string) string { return a.key(name) }

// AppendMoved appends bytes that do not lie where grow made room for them.
func (w *SegmentWriter) AppendMoved(b []byte) {
	w.grow(len(b))
	w.commit(b)
}

// Finish ends a segment without uploading it and returns its bytes.
func (w *SegmentWriter) Finish() (*Segment, []byte) {
	w.finish()
	b := make([]byte, w.length)
	if _, err := w.ReadAt(b, 0); err != nil {
		panic(err)
	}
	return w.segment, b
}

// FinishOnly ends a segment without copying it.
func (w *SegmentWriter) FinishOnly() *Segment {
	w.finish()
	return w.segment
}

// SectionOf is a section of one block that was checked already.
func SectionOf(block []byte, rows uint64) *Section {
	s := &Section{rows: rows}
	s.push(block)
	return s
}

// Raw is the section's blocks in one piece.
func (s *Section) Raw() []byte {
	var b []byte
	for _, block := range s.blocks {
		b = append(b, block...)
	}
	return b
}
