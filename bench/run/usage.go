package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// usage is what a process has used.
type usage struct {
	cpu      time.Duration // user and system, since its start
	resident int64         // bytes now
	peak     int64         // bytes at most so far
}

// ticksPerSecond is USER_HZ, which is 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// readUsage reads /proc, so the bench needs Linux.
func readUsage(pid int) (usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, fmt.Errorf("CPU time: %w", err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return usage{}, fmt.Errorf("memory: %w", err)
	}
	var u usage
	if u.cpu, err = parseCPU(stat); err != nil {
		return usage{}, err
	}
	if u.resident, err = parseKB(status, "VmRSS:"); err != nil {
		return usage{}, err
	}
	u.peak, err = parseKB(status, "VmHWM:")
	return u, err
}

// parseCPU adds utime and stime, fields 14 and 15 of /proc/PID/stat. The second field, the name, may hold blanks and parentheses.
func parseCPU(stat []byte) (time.Duration, error) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, errors.New("/proc/PID/stat without a name")
	}
	fields := bytes.Fields(stat[end+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat with %d fields after the name, want at least 13", len(fields))
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/PID/stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / ticksPerSecond), nil
}

// parseKB returns the bytes of a line such as "VmRSS:  1234 kB" of /proc/PID/status.
func parseKB(status []byte, key string) (int64, error) {
	for line := range bytes.Lines(status) {
		rest, ok := bytes.CutPrefix(line, []byte(key))
		if !ok {
			continue
		}
		fields := bytes.Fields(rest)
		if len(fields) == 0 {
			break
		}
		kb, err := strconv.ParseInt(string(fields[0]), 10, 64)
		return kb * 1024, err
	}
	return 0, fmt.Errorf("/proc/PID/status without %s", key)
}
