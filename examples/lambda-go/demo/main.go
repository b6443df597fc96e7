// Command demo runs the Lambda example without AWS: it starts `stateway dev lambda` with the bootstrap and a node, sends people in, all at
// once, and prints how they are greeted.
//
//	make example-lambda-go
//	go run ./examples/lambda-go/demo -stateway bin/stateway -bootstrap bin/lambda-go/bootstrap Ann Bob Ann
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stateway/stateway/examples/stage"
	"github.com/stateway/stateway/test/harness"
)

func main() {
	binary := flag.String("stateway", "bin/stateway", "the `program` that make build makes")
	bootstrap := flag.String("bootstrap", "bin/lambda-go/bootstrap", "the `program` that make lambda-go makes")
	flag.Parse()
	names := flag.Args()
	if len(names) == 0 {
		names = strings.Fields("Ann Bob Cleo Dan Ann Bob Ann")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *binary, *bootstrap, names)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary, bootstrap string, names []string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	lambda, port, err := startLambda(ctx, binary, bootstrap)
	if err != nil {
		return err
	}
	defer func() { _ = lambda.Stop(10 * time.Second) }() // and the function's environments
	s, err := stage.Open(binary, "lambda-go", port)
	if err != nil {
		return err
	}
	defer s.Close()
	s.Setenv(
		"AWS_ENDPOINT_URL_LAMBDA=http://"+harness.Loopback(port), "AWS_REGION=us-east-1", "AWS_PROFILE=",
		"AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any", "AWS_SESSION_TOKEN=",
	)
	if err := s.Start(ctx); err != nil {
		return err
	}
	if err := greet(ctx, s, names); err != nil {
		return err
	}
	if err := s.Node.Stop(15 * time.Second); err != nil {
		return err
	}
	fmt.Printf("OK: %d requests, %d greetings\n", len(names), len(names))
	return nil
}

// startLambda starts an emulator with the function and returns its port.
func startLambda(ctx context.Context, binary, bootstrap string) (*harness.Process, int, error) {
	port, err := harness.FreePort()
	if err != nil {
		return nil, 0, err
	}
	p, err := harness.Start(harness.Spec{
		Name: "stateway dev lambda", Path: binary, Args: []string{"dev", "lambda", "--listen", harness.Loopback(port), "hello=" + bootstrap},
	})
	if err != nil {
		return nil, 0, err
	}
	if err := p.WaitOutput(ctx, "Lambda at http://"); err != nil {
		p.Kill()
		return nil, 0, err
	}
	return p, port, nil
}

// greet sends a request for each name, all at the same time, and prints the greetings as they come.
func greet(ctx context.Context, s *stage.Stage, names []string) error {
	requests, ctx := errgroup.WithContext(ctx)
	for _, name := range names {
		requests.Go(func() error {
			return s.Ingress.Put(ctx, harness.Message{Function: "example/hello", ID: name, Type: "example/Hello"})
		})
	}
	requests.Go(func() error {
		for range names {
			text, err := s.Await(ctx, "greetings")
			if err != nil {
				return err
			}
			fmt.Println("  " + text)
		}
		return nil
	})
	return requests.Wait()
}
