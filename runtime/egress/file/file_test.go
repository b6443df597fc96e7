package file

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	egresspb "github.com/stateway/stateway/protocol/egress"
	"github.com/stateway/stateway/protocol/trace"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
	"github.com/stateway/stateway/runtime/egress/egresstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// line is what a reader of the file sees.
type line struct {
	Topic, Stream, Key, ExplicitHashKey string
	Value                               *string
	ValueBase64                         []byte
	Type, ID                            string
}

func parseLines(t *testing.T, b []byte) (lines []line) {
	t.Helper()
	if len(b) > 0 && b[len(b)-1] != '\n' {
		t.Fatalf("the file ends in the middle of a line: %q", b)
	}
	for text := range strings.Lines(string(b)) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("line %q: %v", text, err)
		}
		lines = append(lines, l)
	}
	return lines
}

func readLines(t *testing.T, path string) []line {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return parseLines(t, b)
}

func plain(text string) egress.Record { return egress.Record{Typename: "a/b", Value: []byte(text)} }

var bad = []egress.Record{{Typename: egress.TypeKafkaRecord, Value: []byte{0xff}}}

func TestEmitterConformance(t *testing.T) {
	egresstest.RunEmitter(t, func(t *testing.T) egresstest.Emitter {
		path := filepath.Join(t.TempDir(), "new", "out.jsonl")
		return egresstest.Emitter{
			Open: func(t *testing.T, lanes int) egress.Emitter {
				e, err := OpenEmitter(Options{Path: path, Lanes: lanes})
				if err != nil {
					t.Fatal(err)
				}
				return e
			},
			Record:  func(i int) egress.Record { return plain(fmt.Sprint(i)) },
			Outside: func(t *testing.T) int { return len(readLines(t, path)) },
			Bad:     bad,
		}
	})
}

func TestPublisherConformance(t *testing.T) {
	egresstest.RunPublisher(t, func(t *testing.T) egresstest.Publisher {
		path := filepath.Join(t.TempDir(), "new", "out.jsonl")
		return egresstest.Publisher{
			Open: func(t *testing.T) egress.Publisher {
				p, err := OpenPublisher(Options{Path: path})
				if err != nil {
					t.Fatal(err)
				}
				return p
			},
			Record: plain,
			Outside: func(t *testing.T) (texts []string) {
				for _, l := range readLines(t, path) {
					texts = append(texts, *l.Value)
				}
				return texts
			},
			Bad: bad,
		}
	})
}

func TestLines(t *testing.T) {
	kafka, _ := proto.Marshal(&egresspb.KafkaProducerRecord{Topic: "t", Key: "k\n", ValueBytes: []byte("v\x00\"\\\u2028ü")})
	kinesis, _ := proto.Marshal(&egresspb.KinesisEgressRecord{Stream: "s", PartitionKey: "k", ExplicitHashKey: "7", ValueBytes: []byte{0xff}})
	tests := []struct {
		rec  egress.Record
		want string
	}{
		{
			egress.Record{Typename: egress.TypeKafkaRecord, Value: kafka},
			`{"topic":"t","key":"k\n","value":"v\u0000\"\\` + "\u2028" + `ü","id":"x"}`,
		},
		{
			egress.Record{Typename: egress.TypeKinesisRecord, Value: kinesis},
			`{"stream":"s","key":"k","explicitHashKey":"7","valueBase64":"/w==","id":"x"}`,
		},
		{
			egress.Record{Typename: egress.TypePlaygroundRecord, Value: []byte(`{"topic":"t","payload":"p"}`)},
			`{"topic":"t","value":"p","id":"x"}`,
		},
		{
			egress.Record{Typename: "io.statefun.types/string", Value: []byte("\x0a\x02hi")},
			`{"value":"hi","type":"io.statefun.types/string","id":"x"}`,
		},
		{
			egress.Record{Typename: egress.TypeLong, Trace: trace.Parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")},
			`{"value":"0","type":"io.statefun.types/long","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","id":"x"}`,
		},
		{egress.Record{Typename: egress.TypeLong}, `{"value":"0","type":"io.statefun.types/long","id":"x"}`},
		{
			egress.Record{Typename: egress.TypeKafkaRecord, Value: []byte{0xff}},
			`{"valueBase64":"/w==","type":"` + egress.TypeKafkaRecord + `","id":"x"}`,
		},
	}
	for _, tt := range tests {
		if got := string(appendLine(nil, &tt.rec, "x")); got != tt.want+"\n" {
			t.Errorf("got  %swant %s", got, tt.want)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add("a/b", []byte("x\x00\xff\n\""))
	f.Fuzz(func(t *testing.T, typename string, value []byte) {
		b := appendLine(nil, &egress.Record{Typename: typename, Value: value}, "id")
		var l line
		if err := json.Unmarshal(b, &l); err != nil || strings.Count(string(b), "\n") != 1 || strings.Contains(string(b), "\x00") {
			t.Fatalf("%q: %v", b, err)
		}
	})
}

func openPublisher(t *testing.T, path string, app core.ApplicationID) *Publisher {
	t.Helper()
	p, err := OpenPublisher(Options{Path: path, Application: app})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestPublisherRefusesWhatIsNotItsOwn(t *testing.T) {
	app := core.ApplicationID{1}
	tests := []struct {
		name   string
		damage func(path string) error
		want   string
	}{
		{"a file without offsets", func(p string) error { return os.Remove(p + ".offsets") }, "there is no"},
		{"offsets without a file", os.Remove, "put the file back"},
		{"a file cut short", func(p string) error { return os.Truncate(p, 3) }, "ends at byte"},
		{"damaged offsets", func(p string) error { return os.WriteFile(p+".offsets", []byte("x"), 0o600) }, "damaged"},
		{"another application", func(p string) error {
			return os.WriteFile(p+".offsets", appendHeader(nil, core.ApplicationID{2}), 0o600)
		}, "belongs to application 02"},
		{"a folder", func(p string) error {
			if err := os.Remove(p); err != nil {
				return err
			}
			return os.Mkdir(p, 0o700)
		}, "is a directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out")
			p := openPublisher(t, path, app)
			if _, err := p.Published(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			if err := p.Publish(t.Context(), 0, 1, []egress.Record{plain("x")}); err != nil {
				t.Fatal(err)
			}
			p.Close()
			if err := tt.damage(path); err != nil {
				t.Fatal(err)
			}
			_, err := openPublisher(t, path, app).Published(t.Context(), 0)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestTwoPublishersCannotBothWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	one, two := openPublisher(t, path, core.ApplicationID{}), openPublisher(t, path, core.ApplicationID{})
	if _, err := one.Published(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := two.Published(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "locked") {
		t.Errorf("error %v", err)
	}
	one.Close()
	if _, err := two.Published(t.Context(), 0); err != nil {
		t.Error(err)
	}
}

func TestPublisherLargeCheckpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	p := openPublisher(t, path, core.ApplicationID{})
	if _, err := p.Published(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	recs := []egress.Record{plain(strings.Repeat("x", 3*chunk)), plain(strings.Repeat("y", 6*chunk)), plain("z")}
	if err := p.Publish(t.Context(), 0, 1, recs); err != nil {
		t.Fatal(err)
	}
	lines := readLines(t, path)
	if len(lines) != 3 || len(*lines[1].Value) != 6*chunk || lines[2].ID != "00000000000000000000000000000000-0-0-0" {
		t.Errorf("%d lines", len(lines))
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, open := range []func(Options) error{
		func(o Options) error { _, err := OpenEmitter(o); return err },
		func(o Options) error { _, err := OpenPublisher(o); return err },
	} {
		if err := open(Options{Lanes: -1}); err == nil || !strings.Contains(err.Error(), "path") || !strings.Contains(err.Error(), "Lanes") {
			t.Error(err)
		}
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := open(Options{Path: filepath.Join(file, "out")}); err == nil || !strings.Contains(err.Error(), "make the folder") {
			t.Error(err)
		}
	}
}
