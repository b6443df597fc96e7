package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/stateway/stateway/test/harness"
)

// profile takes a CPU profile of the node while a row is measured, if profiles are wanted, and tells when it is written.
func (b *bench) profile(ctx context.Context, n *harness.Node) <-chan error {
	done := make(chan error, 1)
	if b.profiles == "" {
		done <- nil
		return done
	}
	go func() {
		if err := b.writeProfile(ctx, n.Admin); err != nil {
			done <- fmt.Errorf("take a CPU profile: %w", err)
			return
		}
		done <- nil
	}()
	return done
}

func (b *bench) writeProfile(ctx context.Context, admin string) error {
	seconds := strconv.Itoa(max(1, int(b.duration.Seconds())))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, admin+"/debug/pprof/profile?seconds="+seconds, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the node answers %s", resp.Status)
	}
	if err := os.MkdirAll(b.profiles, 0o750); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(b.profiles, b.row+".pprof"))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, resp.Body)
	return errors.Join(err, f.Close())
}
