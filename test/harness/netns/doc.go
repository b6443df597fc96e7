// Package netns starts a program in a network namespace of its own and carries TCP in and out, for servers that insist on fixed ports.
//
// A process in the namespace, the program in the folder init, accepts connections at a socket of outside, which it inherits, and
// passes them on to a port of the namespace; in the other direction it hands a listener of the namespace out. No address, route or
// privilege of the machine's own network is needed: a user namespace is enough where that is allowed, else root. Linux only.
package netns
