// Command greeter serves the functions of package greeting over HTTP, on port 8000 or the one that PORT names.
//
//	go run ./examples/greeter
package main

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/stateway/stateway/examples/greeter/greeting"
)

func main() {
	if err := serve(cmp.Or(os.Getenv("PORT"), "8000")); err != nil {
		fmt.Fprintln(os.Stderr, "greeter:", err)
		os.Exit(1)
	}
}

func serve(port string) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/statefun", greeting.New())
	fmt.Printf("listening on http://%s/statefun\n", listener.Addr())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(listener)
}
