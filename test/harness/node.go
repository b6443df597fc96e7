package harness

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// NodeConfig says how to run a node: the flags of `stateway run`.
type NodeConfig struct {
	Name    string   // in messages; empty means "node"
	Binary  string   // empty means Binary()
	Modules []string // paths of module.yaml files
	Data    string   // data directory
	Bucket  string   // a folder, which becomes file://…, or an s3:// URL
	// Application names the application; empty means "test".
	Application string
	Shards      int           // zero means the node's default
	Workers     int           // zero means the node's default
	Every       time.Duration // checkpoint interval; zero means the node's default
	Lease       time.Duration // zero means the node's default
	Memory      int64         // bytes; zero means the node's default
	AdminPort   int           // zero means a free one
	Env         []string
	Extra       []string // more flags
}

// Node is a `stateway run` process.
type Node struct {
	*Process
	Admin string // base URL of the admin server, without slash at the end
}

// StartNode starts a node and does not wait for it to serve.
func StartNode(c NodeConfig) (*Node, error) {
	var err error
	if c.Binary == "" {
		if c.Binary, err = Binary(); err != nil {
			return nil, err
		}
	}
	if c.AdminPort == 0 {
		if c.AdminPort, err = FreePort(); err != nil {
			return nil, err
		}
	}
	if c.Name == "" {
		c.Name = "node"
	}
	args, err := c.args()
	if err != nil {
		return nil, err
	}
	p, err := Start(Spec{Name: c.Name, Path: c.Binary, Args: args, Env: c.Env})
	if err != nil {
		return nil, err
	}
	return &Node{Process: p, Admin: "http://" + Loopback(c.AdminPort)}, nil
}

func (c NodeConfig) args() ([]string, error) {
	bucket := c.Bucket
	if !strings.HasPrefix(bucket, "s3://") {
		dir, err := filepath.Abs(bucket)
		if err != nil {
			return nil, fmt.Errorf("resolve the bucket's folder: %w", err)
		}
		bucket = "file://" + dir
	}
	application := c.Application
	if application == "" {
		application = "test"
	}
	args := append([]string{"run"}, c.Modules...)
	args = append(args, "--data", c.Data, "--bucket", bucket, "--application", application,
		"--admin", Loopback(c.AdminPort), "--log", "text")
	if c.Shards > 0 {
		args = append(args, "--shards", strconv.Itoa(c.Shards))
	}
	if c.Workers > 0 {
		args = append(args, "--workers", strconv.Itoa(c.Workers))
	}
	if c.Every > 0 {
		args = append(args, "--checkpoint-every", c.Every.String())
	}
	if c.Lease > 0 {
		args = append(args, "--lease", c.Lease.String())
	}
	if c.Memory > 0 {
		args = append(args, "--memory", strconv.FormatInt(c.Memory, 10))
	}
	return append(args, c.Extra...), nil
}

// client is for short requests: polls, metrics, single messages.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: 10 * time.Second}}

// Ready reports whether /readyz answers 200. The error says what it answered instead.
func (n *Node) Ready(ctx context.Context) error {
	body, err := get(ctx, n.Admin+"/readyz")
	if err != nil {
		return fmt.Errorf("not ready: %w: %s", err, body)
	}
	return nil
}

// WaitReady polls /readyz until it answers 200, the node ends or ctx does.
func (n *Node) WaitReady(ctx context.Context) error {
	var last error
	for {
		if last = n.Ready(ctx); last == nil {
			return nil
		}
		select {
		case <-n.Ended():
			return fmt.Errorf("%s ended before it was ready: %w", n.Name(), n.Err())
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w\n%s", n.Name(), last, n.Output())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// Metrics scrapes /metrics.
func (n *Node) Metrics(ctx context.Context) (Metrics, error) {
	body, err := get(ctx, n.Admin+"/metrics")
	if err != nil {
		return nil, fmt.Errorf("scrape %s: %w", n.Name(), err)
	}
	return ParseMetrics(body)
}

// get returns the body of a 200 answer; with another status it returns the body and an error.
func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return body, fmt.Errorf("%s: status %s", url, resp.Status)
	}
	return body, nil
}
