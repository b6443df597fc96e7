package kinesis_test

import (
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"google.golang.org/protobuf/proto"

	"github.com/stateway/stateway/internal/envelope"
	egresspb "github.com/stateway/stateway/protocol/egress"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
	"github.com/stateway/stateway/runtime/egress/egresstest"
	"github.com/stateway/stateway/runtime/egress/kinesis"
)

var _ kinesis.Client = (*sdk.Client)(nil)

// record is what the SDKs send.
func record(t testing.TB, stream, key, explicit, value string) egress.Record {
	t.Helper()
	b, err := proto.Marshal(&egresspb.KinesisEgressRecord{Stream: stream, PartitionKey: key, ExplicitHashKey: explicit, ValueBytes: []byte(value)})
	if err != nil {
		t.Fatal(err)
	}
	return egress.Record{Typename: egress.TypeKinesisRecord, Value: b}
}

// options are quick where nobody can see it.
func options(f *fake) kinesis.Options {
	return kinesis.Options{
		Client: f, Name: "example/out", Application: core.ApplicationID{0xab}, Stream: "s",
		RateLimit: 1_000_000, Random: func() float64 { return 0 },
	}
}

func bad(t *testing.T) []egress.Record {
	return []egress.Record{
		record(t, "s", "", "", "no key"),
		record(t, "", "k", "", "no stream"),
		record(t, "no such name!", "k", "", "x"),
		record(t, "s", "k", "01", "x"),
		{Typename: egress.TypeKafkaRecord, Value: []byte{0xff}},
		{Typename: "a/b", Value: make([]byte, kinesis.DefaultRecordBytes)},
	}
}

func troubled(seed uint64) *fake {
	f := newFake(seed)
	f.create("s", 4)
	f.faults = faults{throttle: 0.05, internal: 0.05, reset: 0.05, latency: 100 * time.Microsecond}
	return f
}

func TestEmitterConformance(t *testing.T) {
	for name, change := range map[string]func(*kinesis.Options){
		"plain":       func(*kinesis.Options) {},
		"aggregates":  func(o *kinesis.Options) { o.Aggregate = true },
		"cloudevents": func(o *kinesis.Options) { o.Envelope = kinesis.EnvelopeCloudEvents },
	} {
		t.Run(name, func(t *testing.T) {
			egresstest.RunEmitter(t, func(t *testing.T) egresstest.Emitter {
				f := troubled(1)
				t.Cleanup(func() { checkRules(t, f) })
				return egresstest.Emitter{
					Open: func(t *testing.T, lanes int) egress.Emitter {
						o := options(f)
						o.Lanes = lanes
						change(&o)
						e, err := kinesis.OpenEmitter(o)
						if err != nil {
							t.Fatal(err)
						}
						return e
					},
					Record:  func(i int) egress.Record { return record(t, "s", string(rune('a'+i%50)), "", "some value") },
					Outside: func(*testing.T) int { return len(f.users("s")) },
					Bad:     bad(t),
				}
			})
		})
	}
}

func TestPublisherConformance(t *testing.T) {
	for name, change := range map[string]func(*kinesis.Options){
		"plain":      func(*kinesis.Options) {},
		"aggregates": func(o *kinesis.Options) { o.Aggregate = true },
	} {
		t.Run(name, func(t *testing.T) {
			egresstest.RunPublisher(t, func(t *testing.T) egresstest.Publisher {
				f := troubled(2)
				f.faults.lose = 0.05
				t.Cleanup(func() { checkRules(t, f) })
				return egresstest.Publisher{
					Open: func(t *testing.T) egress.Publisher {
						o := options(f)
						change(&o)
						p, err := kinesis.OpenPublisher(o)
						if err != nil {
							t.Fatal(err)
						}
						return p
					},
					Record:  func(text string) egress.Record { return egress.Record{Typename: "a/b", Value: []byte(text)} },
					Outside: func(t *testing.T) []string { return firstOfEachID(t, f.users("s")) },
					Forgets: true,
					Bad:     bad(t),
				}
			})
		})
	}
}

// firstOfEachID is what a reader has that drops repeats; a repeat must have the same bytes.
func firstOfEachID(t *testing.T, users []user) (texts []string) {
	t.Helper()
	seen := map[string]string{}
	for _, u := range users {
		e, err := envelope.DecodeStateway([]byte(u.data))
		if err != nil {
			t.Fatal(err)
		}
		first, repeat := seen[e.ID]
		if repeat && first != u.data {
			t.Errorf("id %s came with %q, then with %q", e.ID, first, u.data)
		}
		if !repeat {
			texts = append(texts, string(e.Payload))
		}
		seen[e.ID] = u.data
	}
	return texts
}

func checkRules(t *testing.T, f *fake) {
	t.Helper()
	for _, problem := range f.rulesBroken() {
		t.Error(problem)
	}
}
