package module

import (
	"os"
	"strings"
	"testing"
)

// TestReferenceExamplesLoad keeps the examples of docs/module.md working, and its table of kinds complete.
func TestReferenceExamplesLoad(t *testing.T) {
	text, err := os.ReadFile("../../docs/module.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```yaml\n")[1:]
	if len(blocks) == 0 {
		t.Fatal("no examples in docs/module.md")
	}
	for _, block := range blocks {
		example, _, _ := strings.Cut(block, "```")
		opts := Options{Embedded: true, Functions: []string{"bench/*"}}
		if _, warnings, err := Parse(opts, Source{"docs/module.md", []byte(example)}); err != nil || len(warnings) > 0 {
			t.Errorf("%v\n%v in the example\n%s", err, warnings, example)
		}
	}
	for kind := range kinds() {
		if !strings.Contains(string(text), "`"+kind+"`") {
			t.Errorf("docs/module.md does not name the kind %s", kind)
		}
	}
}
