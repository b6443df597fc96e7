package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// MicroburstServer is a proxy that answers some AWS calls with errors, in AWS's own format, and hands on the others. It adds about 10 ms
// to each call.
type MicroburstServer struct {
	*Process
	Endpoint string // base URL, instead of the upstream's
}

// MicroburstRule says which calls fail, and how.
type MicroburstRule struct {
	Service   string `json:"service"`             // kinesis
	Operation string `json:"operation,omitempty"` // GetRecords; empty is all
	// Times is how many calls fail; zero is all. Probability is the share of calls that fail, from 0 to 1; zero is all.
	Times       int             `json:"times,omitempty"`
	Probability float64         `json:"probability,omitempty"`
	Error       MicroburstError `json:"error"`
}

// MicroburstError is the error of a call.
type MicroburstError struct {
	Code string `json:"code"` // ProvisionedThroughputExceededException
}

// Microburst starts a microburst in front of the server at url upstream; it is killed when the test ends. It is installed once, pinned
// by tools/kinesis/requirements.txt, into the folder of tools; that takes about 20 seconds and needs Python. Without that
// the test is skipped, with the command that gets it.
func Microburst(tb testing.TB, upstream string) *MicroburstServer {
	tb.Helper()
	m, err := StartMicroburst(tb.Context(), upstream)
	if err != nil {
		skipOrFail(tb, err)
	}
	tb.Cleanup(func() { finish(tb, m.Process) })
	return m
}

// StartMicroburst starts a microburst and waits until it answers. The caller kills it. The error is a *MissingToolError if there is no
// Python to install it with.
func StartMicroburst(ctx context.Context, upstream string) (*MicroburstServer, error) {
	python, err := Python(ctx, "kinesis", kinesisTools)
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	m := &MicroburstServer{Endpoint: "http://" + Loopback(port)}
	m.Process, err = startServer(ctx, Spec{
		Name: "microburst", Path: python,
		Args: []string{"-m", "microburst", "--upstream", upstream, "--host", "127.0.0.1", "--port", strconv.Itoa(port)},
	}, m.Endpoint+"/_microburst/health", false)
	return m, err
}

// Config is an AWS configuration with the proxy's endpoint.
func (m *MicroburstServer) Config() aws.Config { return kinesisConfig(m.Endpoint) }

// Fail replaces all rules. Without rules every call is handed on.
func (m *MicroburstServer) Fail(ctx context.Context, rules ...MicroburstRule) error {
	body, err := json.Marshal(append([]MicroburstRule{}, rules...))
	if err != nil {
		return err
	}
	_, err = m.control(ctx, http.MethodPost, "rules", body)
	return err
}

// Fired counts the calls that failed since the start, by operation.
func (m *MicroburstServer) Fired(ctx context.Context) (map[string]int, error) {
	body, err := m.control(ctx, http.MethodGet, "fired", nil)
	if err != nil {
		return nil, err
	}
	var fired []struct {
		Operation string `json:"operation"`
	}
	if err := json.Unmarshal(body, &fired); err != nil {
		return nil, fmt.Errorf("microburst's calls that failed: %w: %s", err, body)
	}
	counts := map[string]int{}
	for _, f := range fired {
		counts[f.Operation]++
	}
	return counts, nil
}

func (m *MicroburstServer) control(ctx context.Context, method, what string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, m.Endpoint+"/_microburst/"+what, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("microburst: %s %s: status %s: %s", method, what, resp.Status, answer)
	}
	return answer, err
}
