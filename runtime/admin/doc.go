// Package admin is the way in for operators: the HTTP server of a node with health, metrics and a JSON API, and the one client for it.
//
// The server listens before the node leads, so that a process that waits can be asked what it waits for, and it serves until
// the node has ended. It has no authentication: it listens on loopback unless told otherwise, refuses requests from web
// pages, and on loopback those that come under a foreign host name.
//
// Always true: a request never changes anything unless it is a POST; errors below /api/ are JSON with the field error; a request
// is bounded in size and time. Called by cmd/cluster, by programs that embed the runtime, and by the operator's commands. Safe for
// concurrent use.
package admin
