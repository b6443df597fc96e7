package numbers

import (
	"fmt"

	"github.com/stateway/stateway/test/harness"
)

// Login is how module files reach a Kinesis server at an endpoint: two keys of a spec, indented by two.
func Login(endpoint string) string {
	return fmt.Sprintf(`awsRegion: {type: custom-endpoint, id: %s, endpoint: "%s"}
  awsCredentials: {type: basic, accessKeyId: %s, secretAccessKey: %s}`, harness.KinesisRegion, endpoint, harness.KinesisAccessKey, harness.KinesisSecretKey)
}

// There is a module, without endpoints: records of stream numbers reach First, which writes them to MiddleStream after commit.
func There(endpoint string, aggregation bool) string {
	return fmt.Sprintf(`kind: io.statefun.kinesis.v1/ingress
spec:
  id: test/in
  %[1]s
  startupPosition: {type: earliest}
  streams:
    - {stream: numbers, valueType: test/Record, targets: [%[2]s]}
---
kind: io.statefun.kinesis.v1/egress
spec:
  id: %[3]s
  %[1]s
  delivery: after-commit
  envelope: stateway
  aggregation: %[4]t
`, Login(endpoint), First, Middle, aggregation)
}

// ThereAndBack is There, and what is in MiddleStream reaches Second, each record once.
func ThereAndBack(endpoint string, aggregation bool) string {
	return There(endpoint, aggregation) + fmt.Sprintf(`---
kind: io.statefun.kinesis.v1/ingress
spec:
  id: test/back
  %[1]s
  startupPosition: {type: earliest}
  streams:
    - {stream: %[2]s, valueType: test/Record, targets: [%[3]s], format: stateway, dedupe: stateway}
`, Login(endpoint), MiddleStream, Second)
}

// Endpoint is the endpoint of the functions, served at an address.
func Endpoint(address string) string {
	return fmt.Sprintf(`kind: io.statefun.endpoints.v2/http
spec:
  functions: test/*
  urlPathTemplate: http://%s/
  transport: {type: io.statefun.transports.v1/async, call: 5min, connect: 1s}
  retry: {initial: 5ms, max: 200ms}
---
`, address)
}
