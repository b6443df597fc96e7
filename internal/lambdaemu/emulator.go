package lambdaemu

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Emulator is an http.Handler of the Invoke API, POST /2015-03-31/functions/NAME/invocations, and GET /2015-03-31/functions that lists
// the functions' names. Make it with New.
type Emulator struct {
	cfg       Config
	mux       *http.ServeMux
	functions map[string]*function // set by New, then constant
	requests  atomic.Uint64
}

// New makes an Emulator. Nothing is started before the first invocation.
func New(cfg Config) (*Emulator, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	e := &Emulator{cfg: cfg, mux: http.NewServeMux(), functions: make(map[string]*function)}
	everybody := &account{limit: cfg.Concurrency}
	log := &lockedWriter{w: cfg.Log}
	for _, f := range cfg.Functions {
		e.functions[f.Name] = &function{
			Function: f.withDefaults(), account: everybody, log: log, all: make(map[environment]bool), old: make(map[environment]bool),
			bucket: bucket{size: float64(cfg.Ramp), per: cfg.RampEvery, level: float64(cfg.Ramp), at: time.Now()},
		}
	}
	e.mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", e.invoke)
	e.mux.HandleFunc("GET /2015-03-31/functions", e.list)
	e.mux.HandleFunc("GET /2015-03-31/functions/{$}", e.list)
	return e, nil
}

// ServeHTTP implements http.Handler.
func (e *Emulator) ServeHTTP(w http.ResponseWriter, req *http.Request) { e.mux.ServeHTTP(w, req) }

// Stats returns what has happened to a function.
func (e *Emulator) Stats(name string) Stats {
	f := e.functions[name]
	if f == nil {
		return Stats{}
	}
	return f.now()
}

// Close ends all environments and waits for them, also for handlers that run on after their time.
func (e *Emulator) Close() {
	var all sync.WaitGroup
	for _, f := range e.functions {
		all.Go(f.close)
	}
	all.Wait()
}

func (e *Emulator) list(w http.ResponseWriter, _ *http.Request) {
	type configuration struct{ FunctionName, FunctionArn, Version string }
	list := []configuration{}
	for _, name := range slices.Sorted(maps.Keys(e.functions)) {
		list = append(list, configuration{name, arn(name), "$LATEST"})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"Functions": list})
}

// arn is what a function is called in full.
func arn(name string) string { return "arn:aws:lambda:us-east-1:000000000000:function:" + name }

// shortName is the function's own name in a name, a partial ARN or an ARN, without a qualifier.
func shortName(s string) string {
	if _, rest, ok := strings.Cut(s, "function:"); ok {
		s = rest
	}
	name, _, _ := strings.Cut(s, ":")
	return name
}

func (e *Emulator) invoke(w http.ResponseWriter, req *http.Request) {
	id := requestID()
	w.Header().Set("X-Amzn-Requestid", id)
	f := e.functions[shortName(req.PathValue("name"))]
	if f == nil {
		refuse(w, http.StatusNotFound, "ResourceNotFoundException", "Function not found: "+arn(shortName(req.PathValue("name"))), nil)
		return
	}
	payload, ok := readPayload(w, req)
	if !ok {
		return
	}
	fault := e.cfg.Fault(f.Name, e.requests.Add(1))
	if fault.Wait > 0 {
		select {
		case <-time.After(fault.Wait):
		case <-req.Context().Done():
			return
		}
	}
	if fault.Status != 0 {
		refuse(w, fault.Status, fault.Code, fault.Message, &fault)
		return
	}
	switch kind := req.Header.Get("X-Amz-Invocation-Type"); kind {
	case "", "RequestResponse":
		e.run(w, req, f, newInvocation(id, arn(f.Name), payload), fault)
	case "Event":
		go f.run(newInvocation(id, arn(f.Name), payload))
		w.WriteHeader(http.StatusAccepted)
	case "DryRun":
		w.WriteHeader(http.StatusNoContent)
	default:
		refuse(w, http.StatusBadRequest, "InvalidParameterValueException", "unknown invocation type "+kind, nil)
	}
}

// run runs an invocation whose answer nobody waits for.
func (f *function) run(inv *invocation) {
	if f.start(inv) == "" {
		<-inv.answer
	}
}

// run answers with what becomes of an invocation. When its caller has gone, it goes on.
func (e *Emulator) run(w http.ResponseWriter, req *http.Request, f *function, inv *invocation, fault Fault) {
	if reason := f.start(inv); reason != "" {
		refuse(w, http.StatusTooManyRequests, "TooManyRequestsException", "Rate Exceeded.", &Fault{Reason: reason})
		return
	}
	if fault.Twice {
		go f.run(newInvocation(requestID(), inv.arn, inv.payload))
	}
	var a answer
	select {
	case a = <-inv.answer:
	case <-req.Context().Done():
		return
	}
	if fault.Lose {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", fmt.Sprint(len(a.payload)))
	w.Header().Set("X-Amz-Executed-Version", "$LATEST")
	if a.failed {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
	}
	_, _ = w.Write(a.payload)
}

// readPayload reads a request's payload, or refuses it.
func readPayload(w http.ResponseWriter, req *http.Request) ([]byte, bool) {
	size := max(req.ContentLength, 0)
	if size <= MaxPayload {
		payload, n, err := readUpTo(req.Body, int(size))
		if err != nil {
			return nil, false // the caller has gone
		}
		if size = n; size <= MaxPayload {
			if len(payload) > 0 && !plausible(payload) {
				refuse(w, http.StatusBadRequest, "InvalidRequestContentException", "Could not parse request body into json: it is none", nil)
				return nil, false
			}
			return payload, true
		}
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(req.Body, 4*MaxPayload)) // a caller who still writes would not read the answer
	refuse(w, http.StatusRequestEntityTooLarge, "RequestTooLargeException",
		fmt.Sprintf("%d byte payload is too large for the RequestResponse invocation type (limit %d bytes)", size, MaxPayload), nil)
	return nil, false
}

// readUpTo reads a body of the expected size, and of a longer one a byte more than a payload can have.
func readUpTo(body io.Reader, expected int) ([]byte, int64, error) {
	b := make([]byte, 0, expected+1)
	limited := io.LimitReader(body, MaxPayload+1)
	for {
		if len(b) == cap(b) {
			b = slices.Grow(b, len(b)+512)
		}
		n, err := limited.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF { //nolint:errorlint // io.Reader's contract
			return b, int64(len(b)), nil
		}
		if err != nil {
			return nil, 0, err
		}
	}
}

// fullyChecked is up to which size a payload is parsed to see whether it is JSON, in bytes.
const fullyChecked = 64 << 10

// plausible reports whether a payload is JSON; a large one, whether it begins and ends like JSON.
func plausible(b []byte) bool {
	if len(b) <= fullyChecked {
		return json.Valid(b)
	}
	first, last := b[0], b[len(b)-1]
	return first == '[' && last == ']' || first == '{' && last == '}' || first == '"' && last == '"'
}

// refuse answers with an error of the Invoke API.
func refuse(w http.ResponseWriter, status int, code, message string, more *Fault) {
	body := map[string]string{"Message": message, "Type": "User"}
	if more != nil && more.Reason != "" {
		body["Reason"] = more.Reason
	}
	if more != nil && more.RetryAfter != "" {
		w.Header().Set("Retry-After", more.RetryAfter)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// requestID is a fresh id in the form of a UUID.
func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it cannot fail
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// lockedWriter writes for many goroutines.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// Write implements io.Writer.
func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
