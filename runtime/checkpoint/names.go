package checkpoint

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/stateway/stateway/runtime/core"
)

// Number is a place in the control log, from 1. The number of a claim is the generation that it begins.
type Number uint64

// FolderNumbers is how many control log numbers lie in one folder.
const FolderNumbers = 4096

// Folder is the folder in which n lies.
func (n Number) Folder() uint64 { return uint64(n) / FolderNumbers }

const (
	controlFolder  = "control"
	segmentsFolder = "segments"
	basesFolder    = "bases"
	randomDigits   = 32
	maxName        = 64
)

// ValidName checks an application's name: 1 to 64 of the characters of a key's part, beginning with
// a letter or a digit.
func ValidName(name string) error {
	if name == "" || len(name) > maxName || !keyChars(name) || strings.IndexByte("._-", name[0]) >= 0 {
		return fmt.Errorf("application name %q: want 1 to %d of a-z A-Z 0-9 . _ -, beginning with a letter or digit", name, maxName)
	}
	return nil
}

func applicationKey(name string) string { return name + "/application" }

func folderKey(name string, folder uint64) string {
	return fmt.Sprintf("%s/%s/%020d", name, controlFolder, folder)
}

func logKey(name string, n Number) string {
	return fmt.Sprintf("%s/%020d", folderKey(name, n.Folder()), uint64(n))
}

// LogPlace says where a key lies in a control log. Buckets that treat the folders of a control log
// in a way of their own find them with ParseLogKey.
type LogPlace struct {
	Log    string // key of the folder that holds the log's folders
	Folder uint64
	Number Number
}

// FolderKey is the key of a folder of the same log.
func (p LogPlace) FolderKey(folder uint64) string { return fmt.Sprintf("%s/%020d", p.Log, folder) }

// Key is the key of number n of the same log.
func (p LogPlace) Key(n Number) string {
	return fmt.Sprintf("%s/%020d", p.FolderKey(n.Folder()), uint64(n))
}

// ParseLogKey reports whether key is that of a control log entry, and which.
func ParseLogKey(key string) (LogPlace, bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 4 || parts[1] != controlFolder {
		return LogPlace{}, false
	}
	folder, ok := parseDigits(parts[2], 20)
	if !ok {
		return LogPlace{}, false
	}
	n, ok := parseDigits(parts[3], 20)
	if !ok || Number(n).Folder() != folder {
		return LogPlace{}, false
	}
	return LogPlace{Log: parts[0] + "/" + controlFolder, Folder: folder, Number: Number(n)}, true
}

// InLog reports whether key lies in the folder of a control log, whose objects Bucket.Delete refuses.
func InLog(key string) bool {
	_, rest, ok := strings.Cut(key, "/")
	return ok && strings.HasPrefix(rest, controlFolder+"/")
}

func parseDigits(s string, width int) (uint64, bool) {
	if len(s) != width {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}

// Names of segments and base files are relative to the application's folder in the bucket. Each
// begins with its generation, so that a list is in order of generations, and ends with 128 random bits.

func segmentName(g core.Generation, n core.CheckpointID, node core.NodeID, random string) string {
	if reuseNames {
		g, random = 1, strings.Repeat("0", randomDigits)
	}
	return fmt.Sprintf("%s/%020d-%020d-%010d-%s", segmentsFolder, uint64(g), uint64(n), uint32(node), random)
}

func baseFileName(g core.Generation, shard core.ShardID, random string) string {
	return fmt.Sprintf("%s/%020d-%05d-%s", basesFolder, uint64(g), uint32(shard), random)
}

// parseObjectName reads the generation of a segment's or base file's name.
func parseObjectName(name string) (core.Generation, bool) {
	folder, rest, ok := strings.Cut(name, "/")
	if !ok || strings.Contains(rest, "/") {
		return 0, false
	}
	parts := strings.Split(rest, "-")
	widths := []int{20, 20, 10}
	switch {
	case folder == segmentsFolder && len(parts) == 4:
	case folder == basesFolder && len(parts) == 3:
		widths = []int{20, 5}
	default:
		return 0, false
	}
	for i, w := range widths {
		if _, ok := parseDigits(parts[i], w); !ok {
			return 0, false
		}
	}
	random := parts[len(parts)-1]
	if len(random) != randomDigits || strings.Trim(random, "0123456789abcdef") != "" {
		return 0, false
	}
	g, _ := parseDigits(parts[0], 20)
	return core.Generation(g), true
}

func drawRandom(r io.Reader) (string, error) {
	var b [randomDigits / 2]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return "", fmt.Errorf("draw the random part of an object's name: %w", err)
	}
	return fmt.Sprintf("%x", b[:]), nil
}
