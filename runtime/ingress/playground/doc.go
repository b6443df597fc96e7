// Package playground is the HTTP ingress kind io.statefun.playground.v1/ingress: a message is a request to
// /<namespace>/<name>/<id>, answered when the checkpoint that holds it has committed.
//
// Always true: a request is answered 200 only after its batch was acknowledged; an answer 4xx, or a
// 503 that says "not taken", means that the message has no effect. Any other failure is an unknown
// outcome, and safe to repeat for a client that names ce-source and ce-id.
package playground
