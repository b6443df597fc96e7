// Package http sends invocations to function servers by StateFun's request-reply protocol: one POST an invocation
// batch.
//
// Two ways to send hide behind one Client. Plain http and Unix sockets take a lean HTTP/1.1 loop of our own: one write
// and usually one read a request, encode and decode on the connection's goroutine. TLS, proxies, HTTP/2 and redirects
// take net/http.
//
// Always true: an invocation that was sent gets exactly one result, unless the client is closed first; one request at
// a time uses a connection; a body is read to its end or the connection is closed; what a server sends costs no more
// memory than the payload limit. A request on a reused connection that the server closed before the first byte of an
// answer is sent once more on a fresh one: the function may run twice, its effects count once.
//
// The package is used by faas/endpoint. A Client is safe for concurrent use.
package http
