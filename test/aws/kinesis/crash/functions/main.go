// Command functions serves the counters of the Kinesis crash test on the loopback port named by PORT. It is killed and started again
// while the test runs.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/stateway/stateway/test/aws/kinesis/numbers"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening")
	server := &http.Server{Handler: numbers.App(), ReadHeaderTimeout: time.Minute}
	fmt.Fprintln(os.Stderr, server.Serve(listener))
	os.Exit(1)
}
