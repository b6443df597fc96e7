package kinesis

import (
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stateway/stateway/test/aws/kinesis/numbers"
	"github.com/stateway/stateway/test/harness"
)

// thereAndBack is a stage that reads stream numbers, writes to another, and reads that, too.
func thereAndBack(t *testing.T, client harness.KinesisClient, endpoint string, aggregation bool) (*stage, *numbers.Producer) {
	t.Helper()
	for _, stream := range []string{"numbers", numbers.MiddleStream} {
		must(t, client.CreateStream(t.Context(), stream, 2))
	}
	return newStage(t, numbers.ThereAndBack(endpoint, aggregation)), &numbers.Producer{Client: client, Stream: "numbers", Keys: 12}
}

// TestThrottlingAndExpiredIterators lets microburst refuse a part of all calls, as Kinesis does.
func TestThrottlingAndExpiredIterators(t *testing.T) {
	t.Parallel()
	server := harness.KinesisLocal(t)
	m := harness.Microburst(t, server.Endpoint)
	s, p := thereAndBack(t, server.Client(), m.Endpoint, false)
	var rules []harness.MicroburstRule
	for _, r := range []struct {
		operation, code string
		probability     float64
	}{
		{"GetRecords", "ProvisionedThroughputExceededException", 0.15},
		{"GetRecords", "ExpiredIteratorException", 0.15},
		{"GetShardIterator", "ProvisionedThroughputExceededException", 0.3},
		{"ListShards", "LimitExceededException", 0.3},
		{"PutRecords", "ProvisionedThroughputExceededException", 0.2},
		{"PutRecords", "InternalFailure", 0.1},
	} {
		rules = append(rules, harness.MicroburstRule{
			Service: "kinesis", Operation: r.operation, Probability: r.probability, Error: harness.MicroburstError{Code: r.code},
		})
	}
	must(t, m.Fail(t.Context(), rules...))
	s.run()
	wanted := []string{"GetRecords", "GetShardIterator", "ListShards", "PutRecords"}
	var fired map[string]int
	harness.Eventually(t, waitFor, func() bool {
		rounds(t, p, 2)
		var err error
		fired, err = m.Fired(t.Context())
		must(t, err)
		pause(t.Context(), 100*time.Millisecond)
		return p.Sent() >= 20 && !slices.ContainsFunc(wanted, func(op string) bool { return fired[op] == 0 })
	}, func() string { return "a failure of each operation" })
	s.expect(numbers.First, p)
	s.expect(numbers.Second, p)
	t.Logf("%d records of each of %d keys, calls failed: %v", p.Sent(), p.Keys, fired)
}

// TestPartialFailuresAndLostAnswers refuses some records of a call and takes others, loses answers of calls that worked, and answers with errors
// of the service. What is written has repeats then; who reads it drops them.
func TestPartialFailuresAndLostAnswers(t *testing.T) {
	for name, aggregation := range map[string]bool{"single records": false, "aggregates": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := harness.Kinesalite(t)
			m := newMeddler(t, server.Endpoint)
			s, p := thereAndBack(t, server.Client(), m.url, aggregation)
			s.run()
			end := p.Start(t.Context(), 30*time.Millisecond)
			harness.Eventually(t, waitFor, func() bool { return m.enough(4) }, func() string { return "each fault four times" })
			s.stop()
			s.run()
			harness.Eventually(t, waitFor, func() bool { return m.enough(8) }, func() string { return "each fault eight times" })
			must(t, end())
			s.expect(numbers.First, p)
			s.expect(numbers.Second, p)
			t.Logf("%d records of each of %d keys, faults: %v", p.Sent(), p.Keys, m.done)
		})
	}
}

// meddler is a proxy in front of a Kinesis server that spoils some calls.
type meddler struct {
	url      string
	upstream string

	mu   sync.Mutex
	rand *rand.Rand     // guarded by mu
	done map[string]int // guarded by mu: faults by name
}

// The faults of a meddler.
const (
	partial     = "records of a call refused"
	lost        = "answer lost"
	unavailable = "service unavailable"
)

func newMeddler(t *testing.T, upstream string) *meddler {
	m := &meddler{upstream: upstream, rand: rand.New(rand.NewPCG(1, 2)), done: map[string]int{}}
	server := httptest.NewServer(m)
	m.url = server.URL
	t.Cleanup(server.Close)
	return m
}

// enough reports whether each fault was there that often.
func (m *meddler) enough(times int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.done) == 3 && slices.Min(slices.Collect(maps.Values(m.done))) >= times
}

// fault draws what becomes of a call; empty is nothing.
func (m *meddler) fault(operation string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	drawn := ""
	switch n := m.rand.IntN(10); {
	case operation == "PutRecords" && n < 3:
		drawn = partial
	case n < 4:
		drawn = lost
	case n < 5:
		drawn = unavailable
	}
	if drawn != "" {
		m.done[drawn]++
	}
	return drawn
}

// chosen draws about half of n.
func (m *meddler) chosen(n int) []bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	half := make([]bool, n)
	for i := range half {
		half[i] = m.rand.IntN(2) == 0
	}
	return half
}

// ServeHTTP hands a call on, or not.
func (m *meddler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch m.fault(operation) {
	case unavailable:
		http.Error(w, `{"__type":"ServiceUnavailable"}`, http.StatusServiceUnavailable)
	case lost:
		if _, _, err := m.call(r, body); err == nil {
			panic(http.ErrAbortHandler)
		}
	case partial:
		m.putSome(w, r, body)
	default:
		status, answer, err := m.call(r, body)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		w.WriteHeader(status)
		_, _ = w.Write(answer)
	}
}

// call asks the server.
func (m *meddler) call(r *http.Request, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, m.upstream+r.URL.Path, strings.NewReader(string(body)))
	if err != nil {
		return 0, nil, err
	}
	req.Header = r.Header.Clone()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// putSome puts about half of the records of a PutRecords and refuses the others.
func (m *meddler) putSome(w http.ResponseWriter, r *http.Request, body []byte) {
	var call map[string]json.RawMessage
	var records []json.RawMessage
	if json.Unmarshal(body, &call) != nil || json.Unmarshal(call["Records"], &records) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	taken := m.chosen(len(records))
	var some []json.RawMessage
	for i, record := range records {
		if taken[i] {
			some = append(some, record)
		}
	}
	var put struct{ Records []json.RawMessage }
	if len(some) > 0 {
		call["Records"], _ = json.Marshal(some)
		body, _ = json.Marshal(call)
		status, answer, err := m.call(r, body)
		if err != nil || status != http.StatusOK || json.Unmarshal(answer, &put) != nil || len(put.Records) != len(some) {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
	}
	var out struct {
		FailedRecordCount int
		Records           []json.RawMessage
	}
	for i := range records {
		if taken[i] {
			out.Records, put.Records = append(out.Records, put.Records[0]), put.Records[1:]
			continue
		}
		out.FailedRecordCount++
		out.Records = append(out.Records, json.RawMessage(`{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate exceeded"}`))
	}
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	_ = json.NewEncoder(w).Encode(out)
}
