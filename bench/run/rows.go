package main

import (
	"context"
	"slices"
	"time"
)

// row is one line of the table.
type row struct {
	name       string
	about      string
	reach, aim string
	measure    func(context.Context, *bench) (values, error)
}

const (
	lean     = "./bench/fnserver"
	withSDK  = "./bench/fnserver-sdk"
	onLambda = "./bench/fnlambda"
)

// rows are all rows, in the order of the table.
func rows() []row { return slices.Concat(httpRows(), groupRows(), otherRows()) }

func httpRows() []row {
	return []row{
		{
			// A backlog makes messages of one Address share a request. Capped at one, so that the row is what its targets are for.
			"http", "HTTP request-reply, one message a request, 100,000 Addresses, one record a message", "45,000/s, 25 µs", "60,000/s, 15 µs",
			load{functions: lean, addresses: 100_000, single: true}.measure,
		},
		{
			"http-sdk", "the same, functions with the Go SDK on net/http", "", "",
			load{functions: withSDK, addresses: 100_000, single: true}.measure,
		},
		{
			"http-batched", "the same as http without the cap: what waits for an Address shares a request", "", "",
			load{functions: lean, addresses: 100_000}.measure,
		},
		{
			"http-paced", "the same as http at 2,500/s: generator to egress", "p50 0.8 ms, p99 5 ms", "p50 0.3 ms",
			load{functions: lean, addresses: 100_000, rate: 2500, single: true}.measure,
		},
	}
}

func groupRows() []row {
	return []row{
		{
			"group-http", "group protocol over HTTP, functions with the Go SDK on net/http, 100,000 Addresses", "120,000/s", "300,000/s",
			load{functions: withSDK, addresses: 100_000, group: true}.measure,
		},
		{
			"group-single", "the same, one message an invocation", "", "",
			load{functions: withSDK, addresses: 100_000, group: true, single: true}.measure,
		},
		{
			"group-poison", "the same as group-http, one message in 10,000 fails and is dead-lettered, by turns", "99 % of the turns without", "",
			load{functions: withSDK, addresses: 100_000, group: true, poison: 10_000}.measure,
		},
		{
			"group-poison-500", "the same, one message in 500: about one a group", "", "",
			load{functions: withSDK, addresses: 100_000, group: true, poison: 500}.measure,
		},
		{
			"group-poison-100", "the same, one message in 100", "", "",
			load{functions: withSDK, addresses: 100_000, group: true, poison: 100}.measure,
		},
		{
			"group-paced", "the same as group-http at 1,000/s, without linger", "", "",
			load{functions: withSDK, addresses: 100_000, group: true, rate: 1000}.measure,
		},
		{
			"group-lambda", "the same as group-http through the Lambda emulator, which is in the functions' process", "60,000/s", "150,000/s",
			load{functions: onLambda, addresses: 100_000, lambda: true}.measure,
		},
		{
			"lambda-poison", "the same, one message in 10,000 fails and is dead-lettered, by turns", "99 % of the turns without", "",
			load{functions: onLambda, addresses: 100_000, lambda: true, poison: 10_000}.measure,
		},
		{
			"lambda-poison-100", "the same, one message in 100", "", "",
			load{functions: onLambda, addresses: 100_000, lambda: true, poison: 100}.measure,
		},
		{
			"lambda-linger", "Lambda at 1,000/s, a function of 5 ms, linger 100 ms", "20 groups a thousand messages, p99 250 ms", "12",
			load{functions: onLambda, addresses: 100_000, lambda: true, rate: 1000, pause: 5 * time.Millisecond, linger: 100 * time.Millisecond}.measure,
		},
		{
			"lambda-paced", "the same without linger", "", "",
			load{functions: onLambda, addresses: 100_000, lambda: true, rate: 1000, pause: 5 * time.Millisecond}.measure,
		},
	}
}

func otherRows() []row {
	return []row{
		{"http-1000", "1,000 Addresses, as fast as it goes", "80,000/s", "200,000/s", load{functions: lean, addresses: 1000}.measure},
		{"http-hot", "one hot Address over HTTP", "300,000/s", "600,000/s", load{functions: lean, addresses: 1}.measure},
		{"embedded", "embedded functions, 100,000 Addresses", "500,000/s", "1,500,000/s", load{addresses: 100_000, embedded: true}.measure},
		{
			"kinesis", "kinesalite to embedded functions to kinesalite, records of 100 bytes, one by one; needs Node", "", "",
			plainStream,
		},
		{
			"kinesis-aggregated", "the same, aggregates of 100 records in, aggregates out", "", "",
			aggregatedStream,
		},
		{"deaggregate", "KPL aggregates of 1,000 records of 100 bytes taken apart, one core", "1,000,000/s", "", measureDeaggregate},
		{
			"restore-s3", "1 GiB of bases from versitygw; a plain download of them into synced files, and into unsynced ones, beside it",
			"1.5 times the synced download", "", measureRestore,
		},
		{"start", "start to ready, empty; median of 5", "0.2 s", "0.1 s", measureStart},
		{"recovery", "kill -9 after many invocations, to the first served", "0.5 s", "0.3 s", measureRecovery},
		{"idle", "resident memory, idle for 2 s", "50 MB", "", measureIdle},
		{"limit-http", "limit: a bare client against the same function server, same payloads", "", "", measureEcho},
		{"limit-map", "limit: a bare map update, 100,000 keys, one core", "", "", measureMap},
	}
}

func rowNames() []string {
	var names []string
	for _, r := range rows() {
		names = append(names, r.name)
	}
	return names
}
