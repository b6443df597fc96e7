package kinesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/stateway/stateway/internal/awsclient"
	"github.com/stateway/stateway/runtime/egress"
)

// errShort means that an answer tells about another number of records than were sent: nothing is known.
var errShort = errors.New("kinesis answered for another number of records than it was sent")

const codeThrottled = "ProvisionedThroughputExceededException"

// run makes the call, answers what is known, and starts what comes next.
func (c *call) run() {
	st, s := c.st, c.st.sink
	in := &kinesis.PutRecordsInput{Records: c.records()}
	if isARN(st.name) {
		in.StreamARN = aws.String(st.name)
	} else {
		in.StreamName = aws.String(st.name)
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.opts.CallTimeout)
	out, err := s.opts.Client.PutRecords(ctx, in)
	cancel()
	if err == nil && (out == nil || len(out.Records) != len(c.puts)) {
		err = errShort
	}
	var list []*shard
	var listErr error
	displaced := err == nil && c.displaced(out)
	if displaced {
		list, listErr = s.listShards(st.name)
	}

	var res answers
	s.mu.Lock()
	if displaced {
		st.install(list, listErr)
	}
	now := time.Now()
	st.calls--
	st.stats.Calls++
	if err == nil {
		c.answered(out, now, &res)
	} else {
		c.failed(err, now, &res)
	}
	tell, fails := st.worthTelling(now), st.fails
	st.pump(now)
	s.mu.Unlock()
	res.give()
	if tell {
		s.opts.Log.Warn("kinesis egress: calls fail, and are tried again", "egress", s.opts.Name, "stream", st.name, "in a row", fails, "error", err)
	}
}

const (
	tellAfter = 8           // calls without an answer in a row: some ten seconds of one at a time
	tellEvery = time.Minute // between two log lines about one stream
)

// worthTelling reports whether somebody should hear now that calls fail.
func (st *stream) worthTelling(now time.Time) bool {
	if st.fails < tellAfter || now.Sub(st.toldAt) < tellEvery {
		return false
	}
	st.toldAt = now
	return true
}

// displaced reports whether an aggregate of several keys came to another shard than expected: the stream was resharded, and
// some of the keys may belong elsewhere. A reader of the KPL's own kind drops those.
func (c *call) displaced(out *kinesis.PutRecordsOutput) bool {
	for i, p := range c.puts {
		r := &out.Records[i]
		if p.takes > 1 && r.ErrorCode == nil && aws.ToString(r.ShardId) != p.shard {
			return true
		}
	}
	return false
}

// answered handles what Kinesis says of each put.
func (c *call) answered(out *kinesis.PutRecordsOutput, now time.Time, res *answers) {
	st := c.st
	st.fails, st.waitUntil = 0, time.Time{}
	st.broken, st.brokenFor = nil, 0
	touched := c.shards()   // now, because a queue that is empty is used for another key
	var full, sick []*shard // which did not take all: throttled, or failing
	takes := c.takes
	stale := false
	for i := range c.puts {
		p, r := &c.puts[i], &out.Records[i]
		code, shard := aws.ToString(r.ErrorCode), aws.ToString(r.ShardId)
		stale = stale || code == "" && shard != p.shard
		for _, t := range takes[:p.takes] {
			switch {
			case code == codeThrottled:
				st.stats.Throttles += uint64(t.n) //nolint:gosec // a length
				full = include(full, t.key.shard)
				c.again(t, res)
			case code != "":
				sick = include(sick, t.key.shard)
				c.again(t, res)
			case p.takes > 1 && shard != p.shard && !st.belongs(t.key, shard):
				c.again(t, res) // readers that know the format drop it there
			default:
				c.done(t, nil, res)
			}
		}
		takes = takes[p.takes:]
	}
	st.judge(touched, full, sick, now)
	if stale {
		st.stale(now)
	}
}

func include(list []*shard, sh *shard) []*shard {
	if slices.Contains(list, sh) {
		return list
	}
	return append(list, sh)
}

// belongs reports whether the shard with this id is where the queue's entries go. If it is one that no listing has, the shards are as
// good as unknown.
func (st *stream) belongs(k *keyQueue, id string) bool {
	if !slices.ContainsFunc(st.shards, func(sh *shard) bool { return sh.id == id }) {
		st.mapped = false
	}
	return st.mapped && k.shard.id == id
}

// shards are those that the call's queues belong to.
func (c *call) shards() (list []*shard) {
	for _, t := range c.takes {
		list = include(list, t.key.shard)
	}
	return list
}

// judge makes shards wait that did not take all; the others of those touched start anew.
func (st *stream) judge(touched, full, sick []*shard, now time.Time) {
	pause := st.sink.opts.shortPause()
	for _, sh := range touched {
		switch {
		case slices.Contains(full, sh):
			sh.refused(now, true, pause)
		case slices.Contains(sick, sh):
			sh.refused(now, false, pause)
		default:
			sh.fails = 0
		}
	}
}

// done answers the entries of a take: with nil they are in the stream.
func (c *call) done(t take, err error, res *answers) {
	st, k := c.st, t.key
	for _, e := range k.entries[:t.n] {
		if err == nil {
			st.stats.Records++
			st.stats.Bytes += uint64(e.size()) //nolint:gosec // a length
		}
		res.add(e, err)
	}
	st.landed(k, t.n)
	if err == nil && k.suspect > 0 {
		k.suspect = 0
		delete(st.refused, k.hash)
	}
	k.flying = 0
	st.makeReady(k)
}

// again leaves the entries of a take at the head of their queue, except those that nobody waits for.
func (c *call) again(t take, res *answers) {
	st, k := c.st, t.key
	if st.sink.closed {
		c.done(t, egress.ErrClosed, res)
		return
	}
	k.flying = 0
	before := len(k.entries)
	k.entries = slices.DeleteFunc(k.entries, func(e *entry) bool { return e.batch.gone })
	st.queued -= before - len(k.entries)
	st.stats.Retries += uint64(t.n) //nolint:gosec // a length
	st.makeReady(k)
}

// failed handles a call that has no answer, or one that says no to all of it.
func (c *call) failed(err error, now time.Time, res *answers) {
	st := c.st
	st.stats.Failures++
	class := awsclient.Classify(err)
	switch {
	case st.sink.closed:
	case class == awsclient.Throttled:
		st.stats.Throttles += uint64(len(c.entries))
		all := c.shards()
		st.judge(all, all, nil, now)
	case class == awsclient.Invalid:
		c.invalid(err, res)
		return
	case class.Retry() || class == awsclient.Conflict || class == awsclient.Canceled || errors.Is(err, errShort):
		st.fails++
		st.waitUntil = now.Add(st.sink.opts.shortPause().Delay(st.fails))
	default:
		c.broken(err, class, now, res)
		return
	}
	for _, t := range c.takes {
		c.again(t, res)
	}
}

// invalid looks for the record that made Kinesis refuse a whole call: the records of the call are suspects until they have arrived, and
// travel in calls of half its size, down to one alone. What was refused alone will be sent again by the node, and travels alone then.
func (c *call) invalid(err error, res *answers) {
	st := c.st
	if len(c.entries) == 1 {
		st.stats.Refused++
		if t := c.takes[0]; len(st.refused) < maxRefused {
			st.refused[t.key.hash] = struct{}{}
		}
		c.done(c.takes[0], fmt.Errorf("kinesis egress %s: stream %s: %w: %w", st.sink.opts.Name, st.name, egress.ErrRefused, err), res)
		return
	}
	for _, t := range c.takes {
		t.key.suspect = max(1, len(c.puts)/2)
		c.again(t, res)
	}
}

// remedies are what an operator does about a stream that cannot be written to.
var remedies = map[awsclient.Class]string{
	awsclient.NotFound:      "create the stream or its key, or correct its name or the region",
	awsclient.Denied:        "allow kinesis:PutRecords and kinesis:ListShards on it, and kms:GenerateDataKey if it is encrypted",
	awsclient.NoCredentials: "give the node credentials",
}

// broken answers all that waits for a stream to which nobody can write now. Others try it again, at a pace that it sets.
func (c *call) broken(err error, class awsclient.Class, now time.Time, res *answers) {
	st := c.st
	st.brokenFor++
	st.brokenEnd = now.Add(longPause().Ceiling(st.brokenFor))
	remedy := remedies[class]
	if remedy != "" {
		remedy = " (" + remedy + ")"
	}
	st.broken = fmt.Errorf("kinesis egress %s: stream %s cannot be written to%s: %w", st.sink.opts.Name, st.name, remedy, err)
	for _, t := range c.takes {
		c.done(t, st.broken, res)
	}
	st.fail(st.broken, res)
}
