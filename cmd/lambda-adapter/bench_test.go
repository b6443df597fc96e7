package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stateway/stateway/protocol/group"
)

// BenchmarkAdapter reports the CPU time that the adapter itself takes for an item, without its server.
func BenchmarkAdapter(b *testing.B) {
	const items = 1000
	address := freePort(b)
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), "TEST_SERVER=1", "TEST_LISTEN=tcp "+address)
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	}()
	e := start(b, time.Minute, "STATEWAY_URL=http://"+address)
	calls := make([]group.Call, items)
	for i := range calls {
		calls[i] = callOf(b, fmt.Sprint(i), "echo")
	}
	n := 0
	for b.Loop() {
		if answers := e.group(b, group.JSON, calls...); len(answers) != items || answers["7"].Kind != group.Result {
			b.Fatalf("%d answers", len(answers))
		}
		n += items
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "items/s")
	if err := e.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		b.Fatal(err)
	}
	<-e.ended
	used := e.cmd.ProcessState.UserTime() + e.cmd.ProcessState.SystemTime()
	b.ReportMetric(float64(used.Microseconds())/float64(n), "cpu-us/item")
}
