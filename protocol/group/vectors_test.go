package group_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stateway/stateway/protocol/group"
)

var rewrite = flag.Bool("rewrite", false, "write the test vectors anew")

const vectors = "../testdata/group"

// vectorFile is how an encoding lies on disk: protobuf as lines of hexadecimal digits.
func vectorFile(what string, enc group.Encoding) string {
	suffix := map[group.Encoding]string{group.JSON: ".json", group.Protobuf: ".protobuf.hex", group.Packed: ".packed.json"}
	return filepath.Join(vectors, what+suffix[enc])
}

func readVector(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Ext(path) != ".hex" {
		return bytes.TrimSuffix(b, []byte("\n"))
	}
	raw, err := hex.DecodeString(strings.Join(strings.Fields(string(b)), ""))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func writeVector(t *testing.T, path string, b []byte) {
	t.Helper()
	if filepath.Ext(path) == ".hex" {
		digits := hex.EncodeToString(b)
		b = nil
		for len(digits) > 0 {
			n := min(96, len(digits))
			b = append(append(b, digits[:n]...), '\n')
			digits = digits[n:]
		}
	} else {
		b = append(b, '\n')
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestVectors holds the package to the files that other implementations test themselves with.
func TestVectors(t *testing.T) {
	for _, enc := range encodings {
		t.Run(enc.String(), func(t *testing.T) {
			for what, b := range map[string][]byte{"calls": encodeCalls(t, enc, sampleCalls()), "answers": encodeAnswers(t, enc, sampleAnswers())} {
				path := vectorFile(what, enc)
				if *rewrite {
					writeVector(t, path, b)
				}
				if got := readVector(t, path); enc != group.Packed && !bytes.Equal(got, b) { // another compressor may write other bytes
					t.Errorf("%s is\n%s\nand is written as\n%s", path, got, b)
				}
			}
			calls, err := group.ParseCalls(enc, readVector(t, vectorFile("calls", enc)), nil)
			if diff := cmp.Diff(sampleCalls(), calls); err != nil || diff != "" {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
			answers, err := group.ParseAnswers(enc, readVector(t, vectorFile("answers", enc)), nil)
			if diff := cmp.Diff(sampleAnswers(), answers); err != nil || diff != "" {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		})
	}
}

// meaning is an event of the vectors in words of its own.
type meaning struct {
	ID        string `json:"id"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	Key       []byte `json:"address_id_base64,omitempty"`
	Kind      string `json:"kind,omitempty"`
	Message   string `json:"message,omitempty"`
	Data      string `json:"data_hex"`
}

// TestVectorsAreExplained keeps meaning.json in step, for readers in other languages.
func TestVectorsAreExplained(t *testing.T) {
	var want struct {
		Calls   []meaning `json:"calls"`
		Answers []meaning `json:"answers"`
	}
	for _, c := range sampleCalls() {
		want.Calls = append(want.Calls, meaning{ID: c.ID, Namespace: c.Target.Namespace, Name: c.Target.Type, Key: []byte(c.Target.ID), Data: hex.EncodeToString(c.Data)})
	}
	for _, a := range sampleAnswers() {
		want.Answers = append(want.Answers, meaning{ID: a.ID, Kind: a.Kind.String(), Message: a.Message, Data: hex.EncodeToString(a.Data)})
	}
	b, err := json.MarshalIndent(want, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(vectors, "meaning.json")
	if *rewrite {
		writeVector(t, path, b)
	}
	if got := readVector(t, path); !bytes.Equal(got, b) {
		t.Errorf("%s differs; go test ./protocol/group -rewrite", path)
	}
}

// TestSpoiledVectors holds that each line is refused: the whole group, or its second event.
func TestSpoiledVectors(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(vectors, "spoiled.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var c struct {
			Case  string `json:"case"`
			Whole bool   `json:"whole"`
			Group string `json:"group"`
		}
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		calls, err := group.ParseCalls(group.JSON, []byte(c.Group), nil)
		switch {
		case c.Whole && err == nil:
			t.Errorf("%s: the group is read", c.Case)
		case c.Whole:
		case err != nil || len(calls) != 3 || calls[0].Err != nil || calls[1].Err == nil || calls[2].Err != nil:
			t.Errorf("%s: %v, %+v", c.Case, err, calls)
		}
	}
}
