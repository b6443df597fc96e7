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

// ThereAndBack is a module, without endpoints: records of stream numbers reach First, and what it sends after commit reaches Second by
// MiddleStream. aggregation is that of the egress.
func ThereAndBack(endpoint string, aggregation bool) string {
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
  aggregation: %[6]t
---
kind: io.statefun.kinesis.v1/ingress
spec:
  id: test/back
  %[1]s
  startupPosition: {type: earliest}
  streams:
    - {stream: %[4]s, valueType: test/Record, targets: [%[5]s], format: stateway, dedupe: stateway}
`, Login(endpoint), First, Middle, MiddleStream, Second, aggregation)
}
