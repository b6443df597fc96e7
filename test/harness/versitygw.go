package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// The credentials that a Versitygw accepts.
const (
	VersitygwAccessKey = "testkey"
	VersitygwSecretKey = "testsecret12"
)

// VersitygwServer is an S3 server on loopback that keeps objects as files and honours conditional writes.
type VersitygwServer struct {
	*Process
	Endpoint string // base URL
	Dir      string // a folder for each bucket, in it a file for each object
	spec     Spec
}

// Versitygw starts an S3 server in a temporary folder, with these buckets in it. It is killed when the test ends. The program is
// built once, pinned by tools/versitygw/go.mod, into the folder of tools; that takes about two minutes.
func Versitygw(tb testing.TB, buckets ...string) *VersitygwServer {
	tb.Helper()
	s, err := StartVersitygw(tb.Context(), tb.TempDir(), buckets...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { finish(tb, s.Process) }) // of the last start
	return s
}

// StartVersitygw starts an S3 server in folder dir, which must be empty, with these buckets, and waits until it answers.
func StartVersitygw(ctx context.Context, dir string, buckets ...string) (*VersitygwServer, error) {
	path, err := versitygw.build(ctx)
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	s := &VersitygwServer{Endpoint: "http://" + Loopback(port), Dir: filepath.Join(dir, "objects")}
	sidecar := filepath.Join(dir, "metadata") // not every file system has extended attributes
	if err := errors.Join(os.MkdirAll(s.Dir, 0o750), os.MkdirAll(sidecar, 0o750)); err != nil {
		return nil, err
	}
	for _, bucket := range buckets {
		if err := os.Mkdir(filepath.Join(s.Dir, bucket), 0o750); err != nil {
			return nil, err
		}
	}
	s.spec = Spec{
		Name: "versitygw", Path: path, Args: []string{"--quiet", "--port", Loopback(port), "posix", "--sidecar", sidecar, s.Dir},
		Env: []string{"ROOT_ACCESS_KEY=" + VersitygwAccessKey, "ROOT_SECRET_KEY=" + VersitygwSecretKey},
	}
	return s, s.start(ctx)
}

// Restart kills the server, which loses nothing, and starts it again after a pause. Do not call it at the end of a test's life.
func (s *VersitygwServer) Restart(ctx context.Context, pause time.Duration) error {
	s.Kill()
	time.Sleep(pause)
	return s.start(ctx)
}

// start starts the process and waits until its port accepts.
func (s *VersitygwServer) start(ctx context.Context) error {
	p, err := Start(s.spec)
	if err != nil {
		return err
	}
	s.Process = p
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Endpoint[len("http://"):])
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.Ended():
			return fmt.Errorf("versitygw ended: %w", p.Err())
		case <-ctx.Done():
			p.Kill()
			return fmt.Errorf("versitygw does not listen: %w\n%s", err, p.Output())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Config is an AWS configuration with the server's credentials and endpoint.
func (s *VersitygwServer) Config() aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &s.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(VersitygwAccessKey, VersitygwSecretKey, ""),
	}
}

// Env are the environment variables with which another process reaches the server.
func (s *VersitygwServer) Env() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + VersitygwAccessKey, "AWS_SECRET_ACCESS_KEY=" + VersitygwSecretKey, "AWS_SESSION_TOKEN=", "AWS_REGION=us-east-1",
	}
}

// URL is the --bucket of a prefix in one of the server's buckets.
func (s *VersitygwServer) URL(bucket, prefix string) string {
	return fmt.Sprintf("s3://%s/%s?endpoint=%s&pathStyle=true&fileBacked=true", bucket, prefix, s.Endpoint)
}

var versitygw = tool{name: "versitygw", module: "github.com/versity/versitygw", pkg: "cmd/versitygw"}
