package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stateway/stateway/internal/lambdaemu"
	"github.com/stateway/stateway/protocol/group"
)

// ownSocket is a bootstrap that gives each environment's server a socket of its own. %[1]s is this program, server and adapter in one.
const ownSocket = `#!/bin/sh
folder=$(mktemp -d -p '%[2]s')
export TEST_ADAPTER=1 TEST_LISTEN="unix $folder/socket" STATEWAY_URL="unix:$folder/socket" STATEWAY_COMMAND='TEST_SERVER=1 %[1]s'
exec '%[1]s'
`

// Environments that share a machine, as under the emulator, get along if each has a socket of its own.
func TestEnvironmentsWithSocketsOfTheirOwn(t *testing.T) {
	const environments = 3
	folder, err := os.MkdirTemp("", "adapter") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	bootstrap := filepath.Join(folder, "bootstrap")
	if err := os.WriteFile(bootstrap, fmt.Appendf(nil, ownSocket, os.Args[0], folder), 0o700); err != nil { //nolint:gosec // it is to be run
		t.Fatal(err)
	}
	emulator, err := lambdaemu.New(lambdaemu.Config{Functions: []lambdaemu.Function{
		{Name: "f", Command: []string{bootstrap}, Timeout: time.Minute, Memory: 1024, Env: []string{"GORACE=atexit_sleep_ms=0"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer emulator.Close()
	server := httptest.NewServer(emulator)
	defer server.Close()
	var all sync.WaitGroup
	for i := range environments {
		hangs, id := callOf(t, "hangs", "hangs"), fmt.Sprint("echo-", i)
		hangs.TimeoutMillis = 500 // while the others come
		all.Go(func() {
			answers, err := invoke(server.URL, hangs, callOf(t, id, "echo"))
			if err != nil || answers[id].Kind != group.Result || answers["hangs"].Kind != group.Retry {
				t.Errorf("%v, %+v", err, answers)
			}
		})
	}
	all.Wait()
	if s := emulator.Stats("f"); s.ColdStarts != environments || s.Errors != 0 {
		t.Errorf("%+v", s)
	}
}

// invoke asks the function f with a group, and returns the answers by id.
func invoke(url string, calls ...group.Call) (map[string]group.Answer, error) {
	var e group.Encoder
	e.Reset(group.JSON, nil, 0)
	for i := range calls {
		e.AddCall(&calls[i])
	}
	resp, err := http.Post(url+"/2015-03-31/functions/f/invocations", "application/json", bytes.NewReader(e.Finish())) //nolint:gosec,noctx // the test's own server
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	list, err := group.ParseAnswers(group.JSON, body, nil)
	if err != nil {
		return nil, fmt.Errorf("%w in %s", err, body)
	}
	answers := make(map[string]group.Answer)
	for _, a := range list {
		answers[a.ID] = a
	}
	return answers, nil
}
