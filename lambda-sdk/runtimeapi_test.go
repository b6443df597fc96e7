package stateway_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/stateway/stateway/protocol/group"
)

// TestMain is also the bootstrap of a Lambda environment, when a test starts it as one.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		lambda.Start(groupApp().Lambda())
		return
	}
	os.Exit(m.Run())
}

// runtimeAPI hands out invocations, one after the other, and takes their answers. It is what Lambda shows an environment.
func runtimeAPI(t *testing.T, payloads <-chan []byte, answers chan<- string) *httptest.Server {
	t.Helper()
	n := 0
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, req *http.Request) {
		select {
		case payload := <-payloads:
			n++
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprint("request-", n))
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
			_, _ = w.Write(payload)
		case <-req.Context().Done():
		}
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{what}", func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		answers <- req.PathValue("id") + " " + req.PathValue("what") + " " + string(body)
		w.WriteHeader(http.StatusAccepted)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func TestLambdaRunsUnderTheRuntimeAPI(t *testing.T) {
	payloads, answers := make(chan []byte), make(chan string, 1)
	server := runtimeAPI(t, payloads, answers)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(server.URL, "http://"), "AWS_LAMBDA_FUNCTION_NAME=test")
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	defer func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Log(log.String())
		}
	}()
	ask := func(payload []byte) string {
		select {
		case payloads <- payload:
		case <-ended:
			t.Fatal("the environment has ended")
		}
		select {
		case answer := <-answers:
			return answer
		case <-ended:
			t.Fatal("the environment has ended")
		}
		return ""
	}
	for i, enc := range []group.Encoding{group.JSON, group.Packed} {
		prefix := fmt.Sprintf("request-%d response ", i+1)
		body, found := strings.CutPrefix(ask(encode(t, enc, callOf(t, "1", "echo", "a"), callOf(t, "2", "panics", ""))), prefix)
		if !found {
			t.Fatalf("got %q, want it to begin with %q", body, prefix)
		}
		got := decode(t, enc, []byte(body))
		if sent(t, got["1"]) != "a from 1" || got["2"].Kind != group.Poison {
			t.Errorf("got %+v", got)
		}
	}
	if got := ask([]byte(`{"no":"group"}`)); !strings.HasPrefix(got, "request-3 error ") || !strings.Contains(got, "no group of Stateway") {
		t.Errorf("got %q", got)
	}
}
