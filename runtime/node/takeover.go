package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stateway/stateway/runtime/checkpoint"
	"github.com/stateway/stateway/runtime/core"
)

// retryable reports whether reading from the bucket may go better later: damage and wrong applications stay.
func retryable(err error) bool {
	return !errors.Is(err, checkpoint.ErrDamaged) && !errors.Is(err, checkpoint.ErrApplication) &&
		!errors.Is(err, checkpoint.ErrKey) && !errors.Is(err, context.Canceled)
}

// standby waits until it may claim. It knows the log's tail, and looks whether something was appended.
type standby struct {
	log     *checkpoint.Log
	lease   time.Duration
	dataDir [16]byte              // that we have locked; zero for none
	open    checkpoint.OpenBucket // of an application that moves; may be nil

	tail   checkpoint.Tail
	seen   checkpoint.Looked // the last look behind tail
	leader *checkpoint.Entry // under which tail was appended; nil if the log is empty or the claim was cut off
	knows  bool              // tail and leader are known
	moved  time.Time         // when tail was found
	copied bool              // the leader lives, and has a data directory with the id of ours
	silent bool              // the log has stood still for the lease time, and its leader answered then
}

// awaitClaim returns the log's tail once this process may append a claim: at once if the log is empty or its leader used our data directory, which we
// have locked; otherwise when the log stood still for the lease time. A leader that is idle appends nothing, so it is asked
// for a sign of life by a claim of ours only after that time. Beside a leader that is idle it looks at the log once in a lease time, beside a
// busy one more often.
func (n *Node) awaitClaim(ctx context.Context, log *checkpoint.Log) (checkpoint.Tail, error) {
	s := &standby{log: log, lease: n.cfg.Lease, dataDir: n.set.ID(), open: n.cfg.OpenBucket}
	said := false
	for {
		may, err := s.look(ctx)
		switch {
		case err != nil && (!retryable(err) || ctx.Err() != nil):
			return s.tail, err
		case err != nil:
			n.cfg.Log.Warn("read the control log", "error", err)
		case may:
			return s.tail, nil
		}
		if !said && err == nil {
			said = true
			n.saying("another process that leads this application")
			n.cfg.Log.Info("another process may lead this application: waiting until its control log stands still for the lease time",
				"application", n.cfg.Application, "lease", n.cfg.Lease)
			if s.copied {
				n.cfg.Log.Warn("the data directory is a copy of the one that the other process uses: give each process its own, or delete this one",
					"data", n.cfg.Data)
			}
		}
		if !sleep(ctx, s.pause()) {
			return s.tail, nil
		}
	}
}

// pause is the time until the next look. A log that was written to in the last lease time is looked at often, so that its silence is noticed in time.
func (s *standby) pause() time.Duration {
	if s.silent {
		return s.lease
	}
	return max(s.lease/8, time.Millisecond)
}

// look looks at the log, and reports whether this process may claim above s.tail.
func (s *standby) look(ctx context.Context) (may bool, err error) {
	if !s.knows {
		return s.find(ctx)
	}
	seen, err := s.log.NextLook(s.tail, s.seen).Do(ctx)
	if err != nil {
		return false, err
	}
	s.seen = seen
	if seen.Reached {
		s.knows = false
		return s.find(ctx)
	}
	if time.Since(s.moved) < s.lease {
		return false, nil
	}
	s.silent = true
	return s.mayTakeOver(ctx), nil
}

// find finds the log's tail and who appended it.
func (s *standby) find(ctx context.Context) (may bool, err error) {
	tail, err := s.log.FindTail(ctx, s.tail.Number)
	if err != nil {
		return false, err
	}
	if tail.Number != s.tail.Number {
		s.moved = time.Now() // also the first time: an empty log is nobody's
	}
	s.tail, s.seen, s.silent = tail, checkpoint.Looked{}, false
	if tail.Number == 0 {
		return true, nil
	}
	s.leader, err = s.log.Leader(ctx, tail)
	if errors.Is(err, checkpoint.ErrCut) {
		s.leader, s.knows = nil, true
		return false, nil
	}
	if err != nil {
		return false, err // the bucket's trouble says nothing about the leader
	}
	if err := s.log.Startable(ctx, s.leader, s.open); err != nil {
		return false, err
	}
	s.knows = true
	c := s.leader.Claim
	if c == nil {
		return true, nil // nobody leads what has just moved
	}
	return c.DataDir == s.dataDir && s.dataDir != [16]byte{} && s.isDead(ctx, c), nil
}

// copyPatience is how long a process that has the last leader's data directory waits for an answer of that leader.
const copyPatience = 200 * time.Millisecond

// isDead reports whether the process is dead that made a claim with the id of our data directory, which we have locked. If it answers, then
// the directory was copied: it is another's, and we wait in line.
func (s *standby) isDead(ctx context.Context, c *checkpoint.Claim) bool {
	s.copied = c.Contact != "" && answers(ctx, c.Contact, c.Nonce, copyPatience)
	return !s.copied
}

// mayTakeOver reports whether the leader of a log that stands still cannot be reached. If its claim was cut off the log, it has appended
// nothing for the lease time, and that is all there is to know.
func (s *standby) mayTakeOver(ctx context.Context) bool { return s.leader == nil || !s.answers(ctx) }

// answers reports whether the leader can be reached.
func (s *standby) answers(ctx context.Context) bool {
	c := s.leader.Claim
	return c != nil && c.Contact != "" && answers(ctx, c.Contact, c.Nonce, s.lease)
}

// ErrLed means that another process leads the application.
var ErrLed = errors.New("a process leads this application")

// AwaitVacancy returns the tail of a log once a process that is no node may claim above it: when it has stood still for the lease time. If
// somebody leads, that is an ErrLed. Open opens the bucket from which an application moves to this one; nil if it cannot.
func AwaitVacancy(ctx context.Context, log *checkpoint.Log, lease time.Duration, open checkpoint.OpenBucket) (checkpoint.Tail, error) {
	s := &standby{log: log, lease: lease, open: open}
	if vacant, err := s.find(ctx); vacant || err != nil {
		return s.tail, err
	}
	if s.leader != nil && s.answers(ctx) {
		return s.tail, fmt.Errorf("%w: it answers at %s: end it first", ErrLed, s.leader.Claim.Contact)
	}
	if !sleep(ctx, lease) {
		return s.tail, ctx.Err()
	}
	seen, err := log.NextLook(s.tail, s.seen).Do(ctx)
	if err == nil && seen.Reached {
		err = fmt.Errorf("%w: it has appended number %d to the control log a moment ago: end it first", ErrLed, seen.Number)
	}
	return s.tail, err
}

// NonceHeader names the header in which /healthz tells the nonce of the process that leads.
const NonceHeader = "Stateway-Nonce"

// direct asks another process of the application, past any proxy, and keeps no connection.
var direct = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// answers reports whether the process with the nonce answers at the contact.
func answers(ctx context.Context, contact string, nonce uint64, patience time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, max(patience, 100*time.Millisecond))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+contact+"/healthz", nil)
	if err != nil {
		return false
	}
	resp, err := direct.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	return strings.EqualFold(resp.Header.Get(NonceHeader), strconv.FormatUint(nonce, 16))
}

// Nonce is what a healthy leader answers with, in hexadecimal; empty while this process does not lead.
func (n *Node) Nonce() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.leads {
		return ""
	}
	return strconv.FormatUint(n.nonce, 16)
}

// Generation is the generation that runs; zero if none does.
func (n *Node) Generation() core.Generation {
	if g := n.generation(); g != nil {
		return g.id
	}
	return 0
}
