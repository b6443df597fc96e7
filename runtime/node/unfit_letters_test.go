package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/kinesistest"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
	stream "github.com/stateway/stateway/runtime/egress/kinesis"
	"github.com/stateway/stateway/runtime/ingress"
	"github.com/stateway/stateway/runtime/node"
)

// lettersToKinesis lets messages that fail become dead letters, in a stream that takes records of 1,024 bytes.
func (y *troubled) lettersToKinesis(afterCommit bool) *kinesistest.Service {
	service := kinesistest.New(kinesistest.Options{})
	service.Create("letters", 1)
	y.keepsLetters()
	e := &y.parts.Egresses[1]
	e.Core.AfterCommit = afterCommit
	e.Open = func(app core.ApplicationID, lanes int) (egress.Egress, error) {
		o := stream.Options{
			Client: service, Name: "test/letters", Application: app, Stream: "letters", Lanes: lanes,
			RecordBytes: 1024, AggregateBytes: 1024, Envelope: stream.EnvelopeNone,
		}
		if afterCommit {
			return stream.OpenPublisher(o)
		}
		return stream.OpenEmitter(o)
	}
	return service
}

// lettersIn are the dead letters in the stream.
func lettersIn(t *testing.T, service *kinesistest.Service) (letters []core.DeadLetterRecord) {
	t.Helper()
	ctx := context.Background()
	from, err := service.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamName: aws.String("letters"), ShardId: aws.String("shardId-000000000000"), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := service.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: from.ShardIterator})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range out.Records {
		var l core.DeadLetterRecord
		if err := json.Unmarshal(r.Data, &l); err != nil {
			t.Fatal(err)
		}
		letters = append(letters, l)
	}
	return letters
}

// A dead letter that is larger than its egress takes goes there without the message, which the node keeps whole, with why: it stops nobody,
// and is tried no second time.
func TestDeadLettersLargerThanTheirEgressTakes(t *testing.T) {
	for _, afterCommit := range []bool{false, true} {
		t.Run(fmt.Sprint("after commit ", afterCommit), func(t *testing.T) {
			y := newTroubled(t)
			service := y.lettersToKinesis(afterCommit)
			x := y.start().ready()
			large := bytes.Repeat([]byte("x"), 5000)
			y.log.Append("p", ingress.Record{Key: "error", Typename: "test/large", Value: large})
			y.send("panic")
			y.good(x, 50)
			x.eventually("both letters are in the stream", func() bool { return len(lettersIn(t, service)) == 2 })
			for _, l := range lettersIn(t, service) {
				whole := l.Address == "test/count/panic"
				if whole != (l.Argument != "") || whole != (l.Size == 0) || !whole && l.Size < len(large) || l.Typename == "" {
					t.Errorf("letter of %s: argument of %d bytes, size %d, type %s", l.Address, len(l.Argument), l.Size, l.Typename)
				}
			}
			x.eventually("nothing waits to be sent again", func() bool { return x.metric("stateway_egress_unpublished") == 0 })
			x.eventually("both are kept", func() bool { return len(x.kept()) == 2 })
			if got := x.metric("stateway_dead_letters_unfit_total"); got != 1 {
				t.Errorf("%v letters did not fit, want 1", got)
			}
			x.kill()
			keptWhole(t, y.start().ready().kept(), large)
			// What was sent may be sent again, unless a checkpoint that knows it has committed.
			letters, of := lettersIn(t, service), map[string]bool{}
			for _, l := range letters {
				of[l.Address] = true
			}
			if len(of) != 2 || len(letters) > 4 {
				t.Errorf("%d letters of %v after a restart, want one or two of each of two Addresses", len(letters), of)
			}
		})
	}
}

// keptWhole checks that the message of Address error is kept as it was, with what became of its letter.
func keptWhole(t *testing.T, kept []node.DeadLetter, value []byte) {
	t.Helper()
	for _, l := range kept {
		if l.Letter.Target.ID != "error" {
			continue
		}
		if l.Problem != "" || !bytes.Contains(l.Letter.Arg, value) {
			t.Errorf("the kept letter has an argument of %d bytes: %s", len(l.Letter.Arg), l.Problem)
		}
		if why := l.Letter.Reason(); !strings.Contains(why, "without its argument") || !strings.Contains(why, "the limit is 1024") {
			t.Errorf("its last reason is %q", why)
		}
		return
	}
	t.Errorf("%d letters are kept, none of Address error", len(kept))
}
