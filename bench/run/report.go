package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stateway/stateway/test/harness"
)

// report is the JSON file.
type report struct {
	Machine  machine        `json:"machine"`
	Started  time.Time      `json:"started"`
	Settings map[string]any `json:"settings"`
	Rows     []rowResult    `json:"rows"`
}

// machine says where and from what the numbers come.
type machine struct {
	CPU      string `json:"cpu"`
	Cores    int    `json:"cores"`
	MemoryMB int64  `json:"memoryMB"`
	Kernel   string `json:"kernel"`
	Go       string `json:"go"`
	Commit   string `json:"commit"` // -dirty if the tree has changes that are not committed
}

type rowResult struct {
	Name   string `json:"name"`
	About  string `json:"about"`
	Reach  string `json:"reach,omitempty"`
	Aim    string `json:"aim,omitempty"`
	Values values `json:"values,omitempty"`
	Error  string `json:"error,omitempty"`
}

func describeMachine(ctx context.Context) machine {
	m := machine{Cores: runtime.NumCPU(), Go: runtime.Version(), CPU: runtime.GOARCH, Commit: "unknown"}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(info), "model name"); ok {
			name, _, _ := strings.Cut(rest, "\n")
			m.CPU = strings.TrimLeft(name, "\t :")
		}
	}
	if info, err := os.ReadFile("/proc/meminfo"); err == nil {
		if bytes, err := parseKB(info, "MemTotal:"); err == nil {
			m.MemoryMB = bytes >> 20
		}
	}
	if version, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(version))
	}
	if out, err := harness.CommandOutput(ctx, "git", "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"); err == nil {
		m.Commit = strings.TrimSpace(string(out))
	}
	return m
}

// column is a value that has a column in the table.
type column struct {
	title, value string
	decimals     int
}

// columns are the table's; counts and ratios come before absolutes.
var columns = []column{
	{"msg/req", messagesPerRequest, 2},
	{"node µs/msg", nodeMicros, 1},
	{"fn µs/msg", functionMicros, 1},
	{"seg B/row B", segmentRatio, 2},
	{"msg/s", messagesPerSecond, 0},
	{"req/s", requestsPerSecond, 0},
	{"p50 ms", latencyP50, 2},
	{"p99 ms", latencyP99, 2},
	{"poison/none", poisonRate, 3},
	{"cut p99 ms", cutP99, 2},
	{"RSS MB", residentMB, 0},
	{"s", seconds, 3},
}

func (r report) print(w io.Writer) {
	m := r.Machine
	fmt.Fprintf(w, "%s, %d cores, %d MB, Linux %s, %s, commit %s\n\n", m.CPU, m.Cores, m.MemoryMB, m.Kernel, m.Go, m.Commit)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "row\t")
	for _, c := range columns {
		fmt.Fprint(t, c.title+"\t")
	}
	fmt.Fprintln(t, "to reach\taim\t")
	for _, row := range r.Rows {
		fmt.Fprint(t, row.Name+"\t")
		for _, c := range columns {
			fmt.Fprint(t, row.Values.show(c.value, c.decimals)+"\t")
		}
		fmt.Fprintln(t, row.Reach+"\t"+row.Aim+"\t")
	}
	_ = t.Flush() // w is the terminal
	fmt.Fprintln(w)
	for _, row := range r.Rows {
		fmt.Fprintf(w, "%s: %s%s\n", row.Name, row.About, row.others())
	}
}

func (v values) show(name string, decimals int) string {
	x, ok := v[name]
	if !ok {
		return "-"
	}
	return strconv.FormatFloat(x, 'f', decimals, 64)
}

// others names the values that have no column, or why there are none.
func (r rowResult) others() string {
	if r.Error != "" {
		first, _, _ := strings.Cut(r.Error, "\n")
		return " (not measured: " + first + ")"
	}
	var rest []string
	for name, x := range r.Values {
		if !slices.ContainsFunc(columns, func(c column) bool { return c.value == name }) {
			rest = append(rest, fmt.Sprintf("%s %.4g", name, x))
		}
	}
	if len(rest) == 0 {
		return ""
	}
	slices.Sort(rest)
	return " (" + strings.Join(rest, ", ") + ")"
}

func (r report) failed() []string {
	var names []string
	for _, row := range r.Rows {
		if row.Error != "" {
			names = append(names, row.Name)
		}
	}
	return names
}

func (r report) write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the results: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("make the results' folder: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return nil
}
