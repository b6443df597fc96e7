// Package bootclock is a clock that never goes back and, where the system has one, does not stand
// still while the machine sleeps: what checkpoint.Options.Clock asks for.
package bootclock
