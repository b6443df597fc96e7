package node

import (
	"context"
	"errors"
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

// lastClaim is the claim under which the log's last entry was appended.
func lastClaim(ctx context.Context, log *checkpoint.Log, tail checkpoint.Tail) (*checkpoint.Claim, error) {
	if tail.Entry.Claim != nil {
		return tail.Entry.Claim, nil
	}
	e, err := log.Read(ctx, checkpoint.Number(tail.Entry.Manifest.Lineage.Generation))
	if err != nil {
		return nil, err
	}
	return e.Claim, nil
}

// ownClaim reports whether the last leader used the data directory that this process has locked: then it is dead.
func (n *Node) ownClaim(ctx context.Context, log *checkpoint.Log, tail checkpoint.Tail) bool {
	c, err := lastClaim(ctx, log, tail)
	return err == nil && c != nil && c.DataDir == n.set.ID()
}

// mayTakeOver reports whether the leader of a log that stands still cannot be reached.
func (n *Node) mayTakeOver(ctx context.Context, log *checkpoint.Log, tail checkpoint.Tail) bool {
	c, err := lastClaim(ctx, log, tail)
	switch {
	case errors.Is(err, checkpoint.ErrCut):
		return true // the claim was cut off the log; whoever made it has appended nothing for the lease time
	case err != nil:
		n.cfg.Log.Warn("read the claim of the process that leads", "error", err)
		return false // the bucket's trouble says nothing about the leader
	}
	return c == nil || c.Contact == "" || !answers(ctx, c.Contact, c.Nonce, n.cfg.Lease)
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
