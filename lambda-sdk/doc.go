// Package stateway is the Go SDK: it turns Go functions into stateful functions.
//
// A function is a Handler with a type, such as example/greeter, and state values. Each id of the type is an Address
// with state of its own. The runtime keeps the state and carries the messages; the function runs wherever it is
// deployed, without keeping anything itself:
//
//	var seen = stateway.Value[int32]("seen")
//
//	func greet(ctx *stateway.Context, msg stateway.Message) error {
//		name, err := stateway.String.Read(msg)
//		if err != nil {
//			return err
//		}
//		n, err := seen.Get(ctx)
//		if err != nil {
//			return err
//		}
//		seen.Set(ctx, n+1)
//		greeting := fmt.Sprintf("Hello %s, for the %d. time", name, n+1)
//		ctx.Egress(stateway.PlaygroundEgress, stateway.PlaygroundRecord("greetings", greeting))
//		return nil
//	}
//
//	func main() {
//		app := stateway.New()
//		app.Function("example/greeter", greet, seen)
//		log.Fatal(http.ListenAndServe(":8000", app))
//	}
//
// An App serves the request-reply protocol and groups over HTTP (it is an http.Handler), groups on AWS Lambda (App.Lambda),
// the request-reply protocol to a program that has the bytes from elsewhere (App.Invoke), and a runtime in the same
// process (App.Run). Package statewaytest tests functions without any of these.
//
// Always true: what an invocation does (state, messages, egress records) counts as a whole or not at all; an effect
// that is not valid, a returned error and a panic fail the whole batch and no effect leaves; messages of one batch
// see each other's writes, and each changed value is one mutation in the answer. Built-in types, answers and status
// codes are those of the StateFun 3.3 SDKs, so functions in other languages and the runtime of StateFun work with it.
//
// The package reads and writes the protocol by itself and depends on google.golang.org/protobuf only, and on
// github.com/klauspost/compress for packed groups.
package stateway
