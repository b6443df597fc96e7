// Command functions serves the accounts of the crash test on the loopback port named by PORT, with LAMBDA set as a Lambda function, with
// KNATIVE set as an instance behind Knative's queue-proxy. It is killed and started again while the test runs.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/stateway/stateway/test/crash/bank"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	handler := http.Handler(bank.App(1))
	switch {
	case os.Getenv("LAMBDA") != "":
		if handler, err = onLambda(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case os.Getenv("KNATIVE") != "":
		handler = onKnative()
	}
	fmt.Println("listening")
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	fmt.Fprintln(os.Stderr, server.Serve(listener))
	os.Exit(1)
}
