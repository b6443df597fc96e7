package lambdaemu

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// resident is how much memory a process and its descendants hold, in bytes.
func resident(pid int) int64 {
	total := int64(0)
	for _, id := range descendants(pid, nil) {
		total += residentAlone(id)
	}
	return total
}

// residentAlone reads /proc/PID/statm, whose second number counts the pages in memory.
func residentAlone(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0 // it has ended
	}
	if fields := bytes.Fields(text); len(fields) > 1 {
		pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
		return pages * int64(os.Getpagesize())
	}
	return 0
}

// descendants appends the process and those that it and its descendants have started.
func descendants(pid int, ids []int) []int {
	ids = append(ids, pid)
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return ids
	}
	for _, thread := range threads {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, thread.Name()))
		if err != nil {
			continue
		}
		for _, field := range bytes.Fields(text) {
			if child, err := strconv.Atoi(string(field)); err == nil {
				ids = descendants(child, ids)
			}
		}
	}
	return ids
}

// killBelonging kills the processes that a bootstrap has left behind, in whatever process groups they are: those that have a variable of
// exactly this text in their environment.
func killBelonging(variable string) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	want := []byte(variable + "\x00")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err == nil && (bytes.HasPrefix(env, want) || bytes.Contains(env, append([]byte{0}, want...))) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
