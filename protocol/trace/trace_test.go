package trace

import (
	"bytes"
	"strings"
	"testing"
)

const sample = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestParse(t *testing.T) {
	tests := []struct {
		name, text, want string // an empty want: there is none
	}{
		{"sampled", sample, sample},
		{"not sampled", sample[:54] + "0", sample[:54] + "0"},
		{"flags that nobody knows yet are passed on", sample[:53] + "ff", sample[:53] + "ff"},
		{"nothing", "", ""},
		{"a byte too short", sample[:54], ""},
		{"a byte too long", sample + "0", ""},
		{"version 00 has nothing behind the flags", sample + "-00", ""},
		{"version ff", "ff" + sample[2:], ""},
		{"a version that is no number", "0g" + sample[2:], ""},
		{"a later version", "01" + sample[2:], sample},
		{"a later version with more", "cc" + sample[2:] + "-what-the-future-will-be-like", sample},
		{"a later version with more that is not set off", "cc" + sample[2:] + ".what", ""},
		{"a later version's flags", "01" + sample[2:53] + "ff", sample[:53] + "03"},
		{"capitals", strings.ToUpper(sample), ""},
		{"a capital in the trace id", sample[:4] + "A" + sample[5:], ""},
		{"no trace id", "00-" + strings.Repeat("0", 32) + sample[35:], ""},
		{"no parent id", sample[:36] + strings.Repeat("0", 16) + sample[52:], ""},
		{"another sign between version and trace id", sample[:2] + "_" + sample[3:], ""},
		{"another sign between the ids", sample[:35] + "_" + sample[36:], ""},
		{"another sign before the flags", sample[:52] + "_" + sample[53:], ""},
		{"flags that are no number", sample[:53] + "0x", ""},
		{"a blank before it", " " + sample, ""},
	}
	for _, tt := range tests {
		if got := Parse(tt.text).String(); got != tt.want {
			t.Errorf("%s: Parse(%q) is %q, want %q", tt.name, tt.text, got, tt.want)
		}
	}
}

// A header that is there twice tells nothing, whatever it says.
func TestOf(t *testing.T) {
	for want, values := range map[string][][]string{
		sample: {{sample}},
		"":     {nil, {""}, {sample, sample}, {sample, "x"}, {sample + "," + sample}},
	} {
		for _, v := range values {
			if got := Of(v).String(); got != want {
				t.Errorf("Of(%q) is %q, want %q", v, got, want)
			}
		}
	}
}

func TestPacked(t *testing.T) {
	for _, c := range []*Context{nil, Parse(sample)} {
		b := append(c.AppendPacked([]byte("before")), "behind"...)
		got, rest, ok := CutPacked(b[len("before"):])
		if !ok || string(rest) != "behind" || got.String() != c.String() {
			t.Errorf("%s: %s, %q, %v", c, got, rest, ok)
		}
		if c != nil && (got == c || got.Memory() != Size) {
			t.Error("it shares memory with its source")
		}
	}
	if b := (*Context)(nil).AppendPacked(nil); len(b) != 1 {
		t.Errorf("nothing takes %d bytes", len(b))
	}
	valid := Parse(sample).AppendPacked(nil)
	for name, b := range map[string][]byte{
		"nothing":     nil,
		"a third way": append([]byte{2}, valid[1:]...),
		"too short":   valid[:Size],
		"no ids":      append([]byte{1}, make([]byte, Size)...),
	} {
		if c, _, ok := CutPacked(b); ok {
			t.Errorf("%s: read as %s", name, c)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Add("cc" + sample[2:] + "-more")
	f.Add(strings.ToUpper(sample))
	f.Fuzz(func(t *testing.T, text string) {
		c := Parse(text)
		if c == nil {
			return
		}
		again := Parse(c.String())
		if again == nil || *again != *c || len(c.String()) != TextSize {
			t.Errorf("%q became %s, and that %s", text, c, again)
		}
		if strings.HasPrefix(text, "00-") && c.String() != text {
			t.Errorf("%q became %s", text, c)
		}
	})
}

func FuzzCutPacked(f *testing.F) {
	f.Add([]byte{0, 'x'})
	f.Add(append(Parse(sample).AppendPacked(nil), 'x'))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, rest, ok := CutPacked(b)
		if ok && !bytes.Equal(append(c.AppendPacked(nil), rest...), b) {
			t.Errorf("%x became %s and %x", b, c, rest)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if Parse(sample) == nil {
			b.Fatal("not valid")
		}
	}
}
