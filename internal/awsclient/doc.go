// Package awsclient makes what the clients of AWS services are made from: region, credentials, connections, and the counting of
// calls. It also tells failures apart, for those who try again themselves.
//
// Always true: loading a configuration asks no service of AWS; at most it asks the machine's own metadata address for a region,
// for a second. A call has no time limit of its own beside those of connecting and of the first byte of an answer, because some
// answers are streams: callers bound each call by its context. The SDK tries nothing twice, except calls that fetch credentials.
//
// Called by runtime/application and by those who open buckets and endpoints. Safe for concurrent use.
package awsclient
