package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/stateway/stateway/test/crash/bank"
)

// onKnative is an instance of a service: some requests take longer than the queue-proxy lets them, and are worked on nevertheless; some
// are done, and their answers lost.
func onKnative() http.Handler {
	app := bank.App(1)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithoutCancel(r.Context())) // that nobody waits any more stops no work
		switch rand.IntN(200) {
		case 0:
			time.Sleep(1500 * time.Millisecond)
		case 1:
			defer time.Sleep(1500 * time.Millisecond)
		case 2:
			defer panic(http.ErrAbortHandler)
		}
		app.ServeHTTP(w, r)
	})
}
