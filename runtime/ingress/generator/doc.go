// Package generator is an ingress that makes its records itself: deterministic, replayable, without
// any client. For trying, demonstrations, crash tests and benches.
//
// Always true: which Addresses record number n goes to, and its value unless that is a timestamp,
// depend on n and the options alone. Partition p of P makes the records p, p+P, p+2P, …; its position
// is the number of the next one.
package generator
