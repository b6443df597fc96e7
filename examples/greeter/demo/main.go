// Command demo runs the greeter: it starts the functions and a node, asks for a few greetings over HTTP and prints what comes back.
//
//	make example-greeter
//	go run ./examples/greeter/demo -stateway bin/stateway Ann Bob Ann
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/stateway/stateway/examples/greeter/greeting"
	"github.com/stateway/stateway/examples/stage"
	"github.com/stateway/stateway/test/harness"
)

func main() {
	binary := flag.String("stateway", "bin/stateway", "the `program` that make build makes")
	flag.Parse()
	names := flag.Args()
	if len(names) == 0 {
		names = []string{"Ann", "Bob", "Ann", "Ann", "Bob"}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *binary, names)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary string, names []string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	functions, err := stage.Serve(greeting.New())
	if err != nil {
		return err
	}
	defer functions.Close()
	s, err := stage.Open(binary, "greeter", functions.Port)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Start(ctx); err != nil {
		return err
	}
	for _, name := range names {
		if err := greet(ctx, s, name); err != nil {
			return err
		}
	}
	if err := s.Node.Stop(15 * time.Second); err != nil {
		return err
	}
	fmt.Printf("OK: %d requests, %d greetings\n", len(names), len(names))
	return nil
}

// greet sends one request and waits for the greeting.
func greet(ctx context.Context, s *stage.Stage, name string) error {
	body, err := json.Marshal(greeting.Request{Name: name})
	if err != nil {
		return err
	}
	request := harness.Message{Function: string(greeting.Person), ID: name, Type: greeting.RequestType.Name(), Body: body}
	if err := s.Ingress.Put(ctx, request); err != nil {
		return err
	}
	text, err := s.Await(ctx, greeting.Topic)
	if err != nil {
		return err
	}
	fmt.Printf("  %-6s -> %s\n", name, text)
	return nil
}
