package harness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// What a client of the Kinesis servers is configured with. They check neither.
const (
	KinesisRegion    = "us-east-1"
	KinesisAccessKey = "testkey"
	KinesisSecretKey = "testsecret12"
)

// KinesisServer is a Kinesis server on loopback. It keeps its streams in memory: they end with the process.
type KinesisServer struct {
	*Process
	Endpoint string // base URL, plain HTTP
}

// KinesisLocal starts a kinesis-local, which is killed when the test ends: every call, with resharding and enhanced fan-out (see
// FanOut), at 1,000 to 2,000 records a second, never throttled, of records up to 1 MiB. It is installed once, pinned by
// tools/kinesis/package-lock.json, into the folder of tools; that takes about 15 seconds and needs node and npm. Without these the
// test is skipped, with the command that gets them.
func KinesisLocal(tb testing.TB) *KinesisServer {
	tb.Helper()
	return mustStartKinesis(tb, StartKinesisLocal)
}

// Kinesalite starts a kinesalite as KinesisLocal does: 20,000 records a second and more, but no enhanced fan-out, no
// UpdateShardCount, no child shards in an answer to GetRecords, and no start at a time (latest and date of our ingress): it does not
// answer then. It forgets no record and needs about 6 kB of memory for each.
func Kinesalite(tb testing.TB) *KinesisServer {
	tb.Helper()
	return mustStartKinesis(tb, StartKinesalite)
}

func mustStartKinesis(tb testing.TB, start func(context.Context) (*KinesisServer, error)) *KinesisServer {
	tb.Helper()
	s, err := start(tb.Context())
	if err != nil {
		skipOrFail(tb, err)
	}
	tb.Cleanup(func() { finish(tb, s.Process) })
	return s
}

// skipOrFail skips a test that lacks a toolchain. `make test` names the toolchain in its closing lines, too.
func skipOrFail(tb testing.TB, err error) {
	tb.Helper()
	var missing *MissingToolError
	if errors.As(err, &missing) {
		tb.Skip(missing.Error())
	}
	tb.Fatal(err)
}

// StartKinesisLocal starts a kinesis-local and waits until it answers. The caller kills it. The error is a *MissingToolError if
// there is no node or no npm to install it with.
func StartKinesisLocal(ctx context.Context) (*KinesisServer, error) {
	dir, err := installKinesisServers(ctx)
	if err != nil {
		return nil, err
	}
	plain, plainErr := FreePort()
	tls, tlsErr := FreePort()
	if err := errors.Join(plainErr, tlsErr); err != nil {
		return nil, err
	}
	program := filepath.Join(dir, "node_modules", "kinesis-local")
	env := []string{
		"KINESIS_MOCK_CERT_PATH=" + filepath.Join(program, "server.json"), "AWS_REGION=" + KinesisRegion, "SHARD_LIMIT=500", "LOG_LEVEL=ERROR",
		"KINESIS_MOCK_PLAIN_PORT=" + strconv.Itoa(plain), "KINESIS_MOCK_TLS_PORT=" + strconv.Itoa(tls),
	}
	for _, what := range []string{
		"CREATE_STREAM", "DELETE_STREAM", "SPLIT_SHARD", "MERGE_SHARDS", "UPDATE_SHARD_COUNT", "REGISTER_STREAM_CONSUMER", "DEREGISTER_STREAM_CONSUMER",
	} {
		env = append(env, what+"_DURATION=50ms")
	}
	s := &KinesisServer{Endpoint: "http://" + Loopback(plain)}
	return s, s.start(ctx, Spec{Name: "kinesis-local", Path: "node", Args: []string{filepath.Join(program, "main.js")}, Env: env}, "/healthcheck")
}

// StartKinesalite starts a kinesalite as StartKinesisLocal does.
func StartKinesalite(ctx context.Context) (*KinesisServer, error) {
	dir, err := installKinesisServers(ctx)
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	s := &KinesisServer{Endpoint: "http://" + Loopback(port)}
	return s, s.start(ctx, Spec{Name: "kinesalite", Path: "node", Args: []string{
		filepath.Join(dir, "node_modules", "kinesalite", "cli.js"), "--port", strconv.Itoa(port),
		"--createStreamMs", "50", "--updateStreamMs", "50", "--deleteStreamMs", "50", "--shardLimit", "500",
	}}, "")
}

// start starts the process and waits until it answers at path: with 200, or with anything if path is empty.
func (s *KinesisServer) start(ctx context.Context, spec Spec, path string) (err error) {
	s.Process, err = startServer(ctx, spec, s.Endpoint+path, path == "")
	return err
}

// startServer starts a process and waits, at most 30 s, until it answers a GET of url: with 200, or with any status.
func startServer(ctx context.Context, spec Spec, url string, anyStatus bool) (*Process, error) {
	p, err := Start(spec)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		err := answers(ctx, url, anyStatus)
		if err == nil {
			return p, nil
		}
		select {
		case <-p.Ended():
			return nil, fmt.Errorf("%s ended before it answered: %w", spec.Name, p.Err())
		case <-ctx.Done():
			p.Kill()
			return nil, fmt.Errorf("%s does not answer: %w\n%s", spec.Name, err, p.Output())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func answers(ctx context.Context, url string, anyStatus bool) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && !anyStatus {
		return fmt.Errorf("%s: status %s", url, resp.Status)
	}
	return nil
}

// Config is an AWS configuration with the server's endpoint.
func (s *KinesisServer) Config() aws.Config { return kinesisConfig(s.Endpoint) }

func kinesisConfig(endpoint string) aws.Config {
	return aws.Config{
		Region: KinesisRegion, BaseEndpoint: aws.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider(KinesisAccessKey, KinesisSecretKey, ""),
	}
}
