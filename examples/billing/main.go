// Command billing serves the functions of package subscription over HTTP, on port 1108 or the one that PORT names.
//
//	go run ./examples/billing -month 1m -retry-after 10s
package main

import (
	"cmp"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/stateway/stateway/examples/billing/subscription"
)

func main() {
	var s subscription.Settings
	flag.DurationVar(&s.Month, "month", 30*24*time.Hour, "how long a month is")
	flag.DurationVar(&s.RetryAfter, "retry-after", 3*24*time.Hour, "pause after a declined payment")
	flag.Int64Var(&s.Tries, "tries", 4, "tries of a payment before the subscription is suspended")
	flag.Parse()
	if s.Month <= 0 || s.RetryAfter <= 0 || s.Tries <= 0 {
		fmt.Fprintln(os.Stderr, "billing: -month, -retry-after and -tries must be above zero")
		os.Exit(2)
	}
	if err := serve(cmp.Or(os.Getenv("PORT"), "1108"), s); err != nil {
		fmt.Fprintln(os.Stderr, "billing:", err)
		os.Exit(1)
	}
}

func serve(port string, s subscription.Settings) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s/\n", listener.Addr())
	functions := subscription.New(s, new(subscription.Provider))
	server := &http.Server{Handler: functions, ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(listener)
}
