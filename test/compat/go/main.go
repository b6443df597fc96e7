// Command go serves the conformance functions with the published Go SDK. PORT chooses the loopback port.
//
// What the functions do, and the little language of their commands, is described in ../README.md.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/apache/flink-statefun/statefun-sdk-go/v3/pkg/statefun"
)

func main() {
	log.SetOutput(io.Discard) // the SDK logs every handshake
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve() error {
	functions := statefun.StatefulFunctionsBuilder()
	for _, name := range []string{"compat/actor", "compat/other", "compat/poison"} {
		spec := statefun.StatefulFunctionSpec{
			FunctionType: statefun.TypeNameFrom(name), States: states(), Function: statefun.StatefulFunctionPointer(run),
		}
		if err := functions.WithSpec(spec); err != nil {
			return err
		}
	}
	err := functions.WithSpec(statefun.StatefulFunctionSpec{
		FunctionType: typedFunction, Function: statefun.StatefulFunctionPointer(typed),
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/statefun", functions.AsHandler())
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		return err
	}
	fmt.Println("listening")
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	return server.Serve(listener)
}

func states() []statefun.ValueSpec {
	var specs []statefun.ValueSpec
	for _, s := range allStates {
		specs = append(specs, s.spec)
	}
	return specs
}

// run executes the lines of a command.
func run(ctx statefun.Context, message statefun.Message) error {
	if !message.Is(commandType) {
		return fmt.Errorf("not a command: %s", message.ValueTypeName())
	}
	var text string
	if err := message.As(commandType, &text); err != nil {
		return err
	}
	for line := range strings.SplitSeq(text, "\n") {
		words := strings.Split(line, " ")
		operation, ok := operations[words[0]]
		if !ok {
			return fmt.Errorf("unknown operation %q", words[0])
		}
		arguments, err := unquote(words[1:])
		if err != nil {
			return err
		}
		if err := operation(ctx, arguments); err != nil {
			return err
		}
	}
	return nil
}

// typed reports what value it was sent.
func typed(ctx statefun.Context, message statefun.Message) error {
	at := slices.IndexFunc(allKinds, func(k kind) bool { return message.Is(k.valueType) })
	if at < 0 {
		return fmt.Errorf("unknown type %s", message.ValueTypeName())
	}
	k := allKinds[at]
	receiver := k.receiver()
	if err := message.As(k.valueType, receiver); err != nil {
		return err
	}
	emit(ctx, "results", fmt.Sprintf("%s %s %s", ctx.Self().Id, k.name, show(receiver)))
	return nil
}
