package crash

import (
	"testing"

	"github.com/stateway/stateway/test/harness"
)

const lambdaEndpoint = `kind: io.stateway.endpoints.v1/lambda
spec:
  functions: crash/*
  function: bank:live
  awsRegion: {type: custom-endpoint, id: us-east-1, endpoint: "http://%[1]s"}
  awsCredentials: {type: basic, accessKeyId: any, secretAccessKey: any}
  call: 5min
  connect: 1s
  retry: {initial: 5ms, max: 200ms}
---
`

// TestKillOnLambda has the functions on Lambda, as the emulator has it, which throttles, loses answers, runs groups twice, and lets environments
// end and time out. It is killed too, with all its environments.
func TestKillOnLambda(t *testing.T) {
	w := newWorldOf(t, lambdaEndpoint, "LAMBDA=true")
	w.run(harness.KillTime()/2, func(int) {})
}
