package kinesistest

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/stateway/stateway/internal/awsclient"
)

// client is the SDK's own, for a Service behind HTTP.
func client(t *testing.T, s *Service) *kinesis.Client {
	t.Helper()
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	t.Setenv("AWS_CA_BUNDLE", "")
	cfg, err := awsclient.Load(context.Background(), awsclient.Options{
		Region: Region, Endpoint: server.URL, Credentials: awsclient.Credentials{AccessKeyID: "AK", SecretAccessKey: "s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return kinesis.NewFromConfig(cfg)
}

func TestTheClientOfTheSDK(t *testing.T) {
	s := New(Options{})
	s.Create("orders", 1)
	c := client(t, s)
	ctx := t.Context()
	put, err := c.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: aws.String("orders"), Records: []types.PutRecordsRequestEntry{
		{PartitionKey: aws.String("a"), Data: []byte("one")}, {PartitionKey: aws.String("b"), Data: []byte{0xff}},
	}})
	if err != nil || *put.FailedRecordCount != 0 {
		t.Fatalf("%+v, %v", put, err)
	}
	list, err := c.ListShards(ctx, &kinesis.ListShardsInput{
		StreamName: aws.String("orders"), ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtTimestamp, Timestamp: aws.Time(time.Now())},
	})
	if err != nil || len(list.Shards) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	shard := list.Shards[0].ShardId
	at, err := c.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamName: aws.String("orders"), ShardId: shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: at.ShardIterator})
	if err != nil || len(got.Records) != 2 || string(got.Records[0].Data) != "one" || time.Since(*got.Records[1].ApproximateArrivalTimestamp) > time.Minute {
		t.Fatalf("%+v, %v", got, err)
	}
	_, err = c.ListShards(ctx, &kinesis.ListShardsInput{StreamName: aws.String("none")})
	var missing *types.ResourceNotFoundException
	if !errors.As(err, &missing) {
		t.Errorf("of a stream that is not there: %v", err)
	}
}

func TestTheClientOfTheSDKSubscribes(t *testing.T) {
	s := New(Options{})
	s.Create("orders", 1)
	c := client(t, s)
	shard, _ := s.Put("orders", "a", []byte("one"))
	consumer, err := c.RegisterStreamConsumer(t.Context(), &kinesis.RegisterStreamConsumerInput{StreamARN: aws.String(ARN("orders")), ConsumerName: aws.String("me")})
	if err != nil {
		t.Fatal(err)
	}
	in := &kinesis.SubscribeToShardInput{
		ConsumerARN: consumer.Consumer.ConsumerARN, ShardId: aws.String(shard),
		StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon},
	}
	for {
		out, err := c.SubscribeToShard(t.Context(), in)
		var busy *types.ResourceInUseException
		if errors.As(err, &busy) {
			time.Sleep(10 * time.Millisecond) // the consumer is being made
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer out.GetStream().Close()
		for ev := range out.GetStream().Events() {
			e := ev.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent)
			if len(e.Value.Records) == 1 && string(e.Value.Records[0].Data) == "one" {
				return
			}
		}
		t.Fatalf("the events ended: %v", out.GetStream().Err())
	}
}
