package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// runtimeAPI is the client of Lambda's Runtime API and, for SIGTERM, of its Extensions API. It has no time-outs: Lambda
// freezes the process between two invocations, and a request for the next one waits for as long as it takes.
type runtimeAPI struct {
	base string
	http *http.Client
}

func newRuntimeAPI(host string) *runtimeAPI {
	return &runtimeAPI{base: "http://" + host, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2}}}
}

// invocation is one that waits for its answer.
type invocation struct {
	id       string
	deadline time.Time
	payload  []byte
}

// next waits for an invocation.
func (r *runtimeAPI) next(ctx context.Context) (invocation, error) {
	resp, err := r.do(ctx, http.MethodGet, "/2018-06-01/runtime/invocation/next", nil, nil)
	if err != nil {
		return invocation{}, fmt.Errorf("ask for the next invocation: %w", err)
	}
	defer resp.Body.Close()
	payload, err := io.ReadAll(resp.Body)
	if err != nil {
		return invocation{}, fmt.Errorf("read an invocation: %w", err)
	}
	id := resp.Header.Get("Lambda-Runtime-Aws-Request-Id")
	millis, err := strconv.ParseInt(resp.Header.Get("Lambda-Runtime-Deadline-Ms"), 10, 64)
	if err != nil || id == "" {
		return invocation{}, fmt.Errorf("an invocation without id or deadline: %v", resp.Header)
	}
	return invocation{id: id, deadline: time.UnixMilli(millis), payload: payload}, nil
}

// respond answers an invocation.
func (r *runtimeAPI) respond(ctx context.Context, id string, answer []byte) error {
	return r.post(ctx, "/2018-06-01/runtime/invocation/"+id+"/response", answer, nil)
}

// failed tells that an invocation has no answer.
func (r *runtimeAPI) failed(ctx context.Context, id string, cause error) error {
	return r.postError(ctx, "/2018-06-01/runtime/invocation/"+id+"/error", "Stateway.InvocationFailed", cause)
}

// initFailed tells that the server did not start. The process ends afterwards, so that it does not matter if this fails.
func (r *runtimeAPI) initFailed(ctx context.Context, cause error) {
	_ = r.postError(ctx, "/2018-06-01/runtime/init/error", "Stateway.ServerNotReady", cause)
}

func (r *runtimeAPI) postError(ctx context.Context, path, kind string, cause error) error {
	body, err := json.Marshal(map[string]string{"errorMessage": cause.Error(), "errorType": kind})
	if err != nil {
		return err
	}
	return r.post(ctx, path, body, map[string]string{"Lambda-Runtime-Function-Error-Type": kind, "Content-Type": "application/json"})
}

// register makes the process an extension without events, so that Lambda announces its end by SIGTERM.
func (r *runtimeAPI) register(ctx context.Context) error {
	name := filepath.Base(os.Args[0])
	resp, err := r.do(ctx, http.MethodPost, "/2020-01-01/extension/register", []byte(`{"events":[]}`), map[string]string{"Lambda-Extension-Name": name})
	if err != nil {
		return err
	}
	resp.Body.Close()
	id := resp.Header.Get("Lambda-Extension-Identifier")
	if id == "" {
		return fmt.Errorf("the answer names no extension: %v", resp.Header)
	}
	go func() { // tells that the extension is ready; there is no event that would answer it
		resp, err := r.do(ctx, http.MethodGet, "/2020-01-01/extension/event/next", nil, map[string]string{"Lambda-Extension-Identifier": id})
		if err == nil {
			resp.Body.Close()
		}
	}()
	return nil
}

func (r *runtimeAPI) post(ctx context.Context, path string, body []byte, header map[string]string) error {
	resp, err := r.do(ctx, http.MethodPost, path, body, header)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body) // the connection is used again
	return err
}

// do sends a request and takes any status of 2xx.
func (r *runtimeAPI) do(ctx context.Context, method, path string, body []byte, header map[string]string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
		resp.Body.Close()
		return nil, fmt.Errorf("%s %s: status %d: %s", method, path, resp.StatusCode, strings.TrimSpace(string(text)))
	}
	return resp, nil
}
