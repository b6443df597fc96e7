package module

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in a module file. Line and Column count from 1, columns in characters; zero means the file
// as a whole.
type Position struct {
	File   string
	Line   int
	Column int
}

// String gives file:line:column, or less where less is known.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Severity tells whether a problem stops the load.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Problem is one thing wrong in a module file.
type Problem struct {
	File     string   `json:"file,omitempty"`
	Line     int      `json:"line,omitempty"`   // from 1; 0 when the problem is of the whole file or application
	Column   int      `json:"column,omitempty"` // from 1, in characters
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`        // what is wrong
	Hint     string   `json:"hint,omitempty"` // what would be right
}

// String gives the problem on one line: file:line:column: what is wrong; what would be right.
func (p Problem) String() string {
	var b strings.Builder
	if at := (Position{p.File, p.Line, p.Column}).String(); at != "" {
		b.WriteString(at + ": ")
	}
	if p.Severity == SeverityWarning {
		b.WriteString("warning: ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// Errors is why Load refused its files: all problems of all files, sorted by file, line and column.
type Errors struct {
	Problems []Problem // never empty, all of SeverityError
}

// Error gives one problem per line.
func (e *Errors) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func sortProblems(ps []Problem) []Problem {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(ps)
}
