package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/stateway/stateway/internal/lambdaemu"
	"github.com/stateway/stateway/test/crash/bank"
)

// onLambda is Lambda with the accounts as the function bank, and with all that befalls functions there.
func onLambda() (http.Handler, error) {
	handler := bank.App(1).Lambda()
	return lambdaemu.New(lambdaemu.Config{
		Functions: []lambdaemu.Function{{
			Name: "bank", Timeout: time.Second, Reserved: 20, Start: 20 * time.Millisecond,
			Handler: func(ctx context.Context, payload []byte) ([]byte, error) {
				switch rand.IntN(100) {
				case 0:
					return nil, &lambdaemu.Exit{Reason: "signal: killed"}
				case 1:
					defer time.Sleep(1500 * time.Millisecond) // the work is done, and its answer late
				}
				return handler.Invoke(ctx, payload)
			},
		}},
		Fault: func(string, uint64) lambdaemu.Fault {
			switch rand.IntN(50) {
			case 0:
				return lambdaemu.Fault{Status: 429, Code: "TooManyRequestsException", Message: "Rate Exceeded.", Reason: "CallerRateLimitExceeded"}
			case 1:
				return lambdaemu.Fault{Status: 500, Code: "ServiceException", Message: "as it happens"}
			case 2:
				return lambdaemu.Fault{Lose: true}
			case 3:
				return lambdaemu.Fault{Twice: true}
			}
			return lambdaemu.Fault{}
		},
	})
}
