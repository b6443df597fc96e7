package module

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits on a file beside MaxFileBytes: the YAML library's effort grows with their square.
const (
	maxTokens = 50_000  // of a file, as the YAML library counts them
	maxDepth  = 64      // of maps and lists within each other
	maxIndent = 1000    // of a list entry, in columns
	maxNodes  = 100_000 // of a file, aliases expanded
)

// parse gives the file's documents, empty ones as null nodes. What it reports as false, it has reported as an error.
func (l *loader) parse(src Source) ([]*node, bool) {
	whole := Position{File: src.Name}
	if len(src.Data) > MaxFileBytes {
		l.errorf(whole, fmt.Sprintf("a module file has at most %d bytes; split it and name all parts", MaxFileBytes),
			"the file is too large")
		return nil, false
	}
	data := bytes.TrimPrefix(src.Data, []byte("\xef\xbb\xbf"))
	if line, ok := badUTF8(data); ok {
		l.errorf(Position{File: src.Name, Line: line, Column: 1}, "save the file as UTF-8", "the line is not valid UTF-8")
		return nil, false
	}
	c := &converter{loader: l, file: src.Name, nodes: maxNodes, tokens: maxTokens}
	var docs []*node
	ok := true
	for _, chunk := range splitDocuments(string(data)) {
		doc, good := c.document(chunk)
		if !good {
			ok = false
			continue
		}
		docs = append(docs, doc)
	}
	return docs, ok
}

func badUTF8(data []byte) (line int, bad bool) {
	for i, row := range bytes.Split(data, []byte("\n")) {
		if !utf8.Valid(row) {
			return i + 1, true
		}
	}
	return 0, false
}

// chunk is the text of one document; its first line is line+1 of the file.
type chunk struct {
	text string
	line int
}

// splitDocuments cuts a stream at its --- and ... lines. The YAML library is given one document at a time: in a
// stream it loses those that follow an empty one.
func splitDocuments(data string) []chunk {
	var chunks []chunk
	var text strings.Builder
	start, marked := 0, false
	end := func() {
		if marked || hasContent(text.String()) {
			chunks = append(chunks, chunk{text.String(), start})
		}
		text.Reset()
	}
	for i, line := range strings.SplitAfter(data, "\n") {
		if isMarker(line, "---") {
			end()
			start, marked = i, true
			line = "   " + line[3:]
		} else if isMarker(line, "...") {
			end()
			start, marked = i, false
			line = "#" + line[3:]
		} else if strings.HasPrefix(line, "%") && !hasContent(text.String()) {
			line = "#" + line[1:] // a directive: none changes how a module is read
		}
		text.WriteString(line)
	}
	end()
	return chunks
}

func isMarker(line, marker string) bool {
	rest, ok := strings.CutPrefix(line, marker)
	return ok && (rest == "" || strings.ContainsAny(rest[:1], " \t\r\n"))
}

// hasContent reports whether a text holds more than blanks and comments.
func hasContent(text string) bool {
	for line := range strings.Lines(text) {
		if t := strings.TrimSpace(line); t != "" && t[0] != '#' {
			return true
		}
	}
	return false
}

// document parses one document and converts it. A panic in the YAML library is an error of the file: text from
// outside must not end the process.
func (c *converter) document(ch chunk) (n *node, ok bool) {
	c.line = ch.line
	defer func() {
		if r := recover(); r != nil {
			c.errorf(c.at(1, 1), "write the document more plainly", "the YAML parser gave up on this document")
			n, ok = nil, false
		}
	}()
	if !hasContent(ch.text) {
		return &node{at: Position{File: c.file, Line: ch.line + 1, Column: 1}}, true
	}
	body, ok := c.syntax(ch.text)
	if !ok {
		return nil, false
	}
	c.anchors, c.open, c.failed = map[string]ast.Node{}, map[string]bool{}, false
	n = c.convert(body, 0)
	return n, !c.failed
}

// syntax runs the YAML library on one document.
func (c *converter) syntax(text string) (body ast.Node, ok bool) {
	tokens := lexer.Tokenize(text)
	if !c.within(tokens) {
		return nil, false
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		c.syntaxError(err)
		return nil, false
	}
	for _, doc := range file.Docs {
		if doc.Body != nil {
			return doc.Body, true
		}
	}
	c.errorf(c.at(1, 1), "write the document more plainly", "the YAML parser found nothing in this document")
	return nil, false
}

func (c *converter) syntaxError(err error) {
	var syntax *yaml.SyntaxError
	if !errors.As(err, &syntax) || syntax.Token == nil || syntax.Token.Position == nil {
		c.errorf(c.at(1, 1), "", "not YAML: %v", err)
		return
	}
	p := syntax.Token.Position
	c.errorf(c.at(p.Line, p.Column), syntaxHint(syntax.Message), "not YAML: %s", syntax.Message)
}

func syntaxHint(message string) string {
	for _, h := range []struct{ part, hint string }{
		{"mapping value is not allowed", `put a value that contains ": " in quotes, and check the indentation`},
		{"tab", "indent with spaces"},
		{"end character", "close the quotes"},
		{"end token", "close the bracket; inside [ ] and { } a value with brackets or braces stands in quotes"},
		{"must be specified", "inside [ ] and { } a value with brackets or braces, such as ${NAME}, stands in quotes"},
		{"reserved character", "put the value in quotes"},
	} {
		if strings.Contains(message, h.part) {
			return h.hint
		}
	}
	return "check the indentation: the keys of a map begin in the same column"
}

// within reports whether the tokens stay inside the limits, before the recursive parser sees them.
func (c *converter) within(tokens token.Tokens) bool {
	c.tokens -= len(tokens)
	if c.tokens < 0 {
		c.errorf(c.at(1, 1), fmt.Sprintf("a file has at most %d YAML tokens; split it and name all parts", maxTokens),
			"the file holds too many values")
		return false
	}
	depth := 0
	for _, tk := range tokens {
		switch tk.Type { //nolint:exhaustive // only what nests
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType:
			if tk.Position.Column > maxIndent {
				depth = maxDepth + 1
			}
		}
		if depth > maxDepth {
			c.tooDeep(c.at(tk.Position.Line, tk.Position.Column))
			return false
		}
	}
	return true
}
