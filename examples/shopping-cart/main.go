// Command shopping-cart serves the functions of package shop over HTTP, on port 1108 or the one that PORT names.
//
//	go run ./examples/shopping-cart -expiry 30m
package main

import (
	"cmp"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/stateway/stateway/examples/shopping-cart/shop"
)

func main() {
	expiry := flag.Duration("expiry", shop.DefaultExpiry, "how long a cart waits for its customer")
	flag.Parse()
	if err := serve(cmp.Or(os.Getenv("PORT"), "1108"), *expiry); err != nil {
		fmt.Fprintln(os.Stderr, "shopping-cart:", err)
		os.Exit(1)
	}
}

func serve(port string, expiry time.Duration) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s/\n", listener.Addr())
	server := &http.Server{Handler: shop.New(expiry), ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(listener)
}
