package main

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/node"
)

const (
	minMemory  = 16 << 20
	maxWorkers = 1024
)

// runOptions are the flags of run.
type runOptions struct {
	location
	data            string
	shards          int
	workers         int
	checkpointEvery time.Duration
	admin           string
	host            string
	pprof           bool
	memory          byteSize
	lease           time.Duration
	strict          bool
	allowDropped    []string
	log             string
}

func (o *runOptions) flags(f *pflag.FlagSet) {
	f.SortFlags = false
	o.location.flags(f)
	f.StringVar(&o.data, "data", home+"/data", "`folder` for the shards; it may be lost without loss of data, and then restarts take longer")
	f.IntVar(&o.shards, "shards", 0, "`number` of shards, a power of two; fixed when the application is created (default 64, or what the application has)")
	f.IntVar(&o.workers, "workers", 0, "`number` of worker goroutines (default one per core)")
	f.DurationVar(&o.checkpointEvery, "checkpoint-every", time.Second, "longest pause between two checkpoints while something moves; whoever waits for one brings it forward")
	o.memory = node.DefaultMemory
	f.Var(&o.memory, "memory", "bound for messages, state and caches in memory, in `bytes` or with KiB, MiB, GiB; the process needs about half as much again")
	f.StringVar(&o.admin, "admin", defaultAdmin, "`address` of the admin server; port 0 takes a free one")
	f.StringVar(&o.host, "host", "127.0.0.1", "`address` that ingresses and egresses with a port of their own listen on")
	f.DurationVar(&o.lease, "lease", 2*time.Second, "how long another leader must be silent before this process takes over")
	f.BoolVar(&o.strict, "strict", false, "take warnings about module files, such as of unknown keys, as errors")
	f.StringSliceVar(&o.allowDropped, "allow-dropped", nil, "`name` of an ingress, egress or function type that may be missing although data of it exists; that data stays, unused")
	f.StringVar(&o.log, "log", "text", "form of the log on stderr: `text or json`")
	f.BoolVar(&o.pprof, "pprof", false, "serve Go profiles at /debug/pprof of the admin server")
}

// validate reports everything that is wrong with the values, each under its flag's name.
func (o *runOptions) validate() error {
	var problems []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	bad(o.data != "", "--data: want a folder")
	_, err := o.place()
	bad(err == nil, "%w", err)
	err = checkpoint.ValidName(o.application)
	bad(err == nil, "--application: %w", err)
	if o.shards != 0 {
		_, err = core.NewSharding(o.shards)
		bad(err == nil, "--shards: %w", err)
	}
	bad(o.workers >= 0 && o.workers <= maxWorkers, "--workers %d: want 1 to %d, or 0 for one per core", o.workers, maxWorkers)
	bad(o.checkpointEvery >= time.Millisecond, "--checkpoint-every %s: want at least 1ms", o.checkpointEvery)
	bad(o.lease >= 10*time.Millisecond, "--lease %s: want at least 10ms", o.lease)
	bad(o.memory >= minMemory, "--memory %s: want at least %s", &o.memory, formatByteSize(minMemory))
	for _, name := range o.allowDropped {
		before, after, _ := strings.Cut(name, "/")
		bad(before != "" && after != "", "--allow-dropped %q: want namespace/name of an ingress, an egress or a function type", name)
	}
	bad(o.log == "text" || o.log == "json", "--log %q: want text or json", o.log)
	bad(isHostPort(o.admin), "--admin %q: want host:port, such as %s", o.admin, defaultAdmin)
	bad(!strings.ContainsAny(o.host, "[]/ ") && (strings.Count(o.host, ":") != 1),
		"--host %q: want an address or a host name without a port, such as 127.0.0.1, 0.0.0.0 or ::1", o.host)
	return errors.Join(problems...)
}

// isHostPort reports whether s is a host, which may be empty, and a port that a server can listen on.
func isHostPort(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = net.LookupPort("tcp", port)
	return err == nil
}

// workerCount is the number of workers, one per core if none was given.
func (o *runOptions) workerCount() int {
	if o.workers > 0 {
		return o.workers
	}
	return min(runtime.GOMAXPROCS(0), maxWorkers)
}
