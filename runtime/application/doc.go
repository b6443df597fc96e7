// Package application makes the parts of a node out of a validated module and of functions and routers in Go.
//
// Every kind has one line in a table here; nothing registers itself. What a Go program embeds (functions, routers) and
// what module files declare come together in Parts, so that both run the same way.
//
// Called by cmd/cluster and by Go programs that embed the runtime.
package application
