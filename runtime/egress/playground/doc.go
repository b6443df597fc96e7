// Package playground is the HTTP egress kind io.statefun.playground.v1/egress: a queue for each topic, from which
// a request to /<topic> takes one record.
//
// Always true: a record that was not taken stays a row of its shard, and only a bounded window of the
// records is in memory; a record is done after the answer that carries it was written. Records of one
// lane and topic are taken in order.
package playground
