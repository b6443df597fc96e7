package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// FileRecord is one line of a file egress, as far as tests look at it.
type FileRecord struct {
	Topic           string `json:"topic"`
	Stream          string `json:"stream"`
	Key             string `json:"key"`
	ExplicitHashKey string `json:"explicitHashKey"`
	Type            string `json:"type"`
	Value           string `json:"value"`       // the payload, if it is text
	ValueBase64     []byte `json:"valueBase64"` // the payload, if it is not
	ID              string `json:"id"`          // the egress's own
}

// ReadFileRecords reads the whole lines of a file egress. A file that is not there yet holds none; a last line without its line
// break is being written and is left out.
func ReadFileRecords(path string) ([]FileRecord, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	var records []FileRecord
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		var r FileRecord
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, len(records)+1, err)
		}
		records = append(records, r)
	}
	return records, nil
}
