package statewaytest_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	stateway "github.com/stateway/stateway/lambda-sdk"
	"github.com/stateway/stateway/lambda-sdk/statewaytest"
)

const (
	cart      = stateway.FunctionType("shop/cart")
	inventory = stateway.FunctionType("shop/inventory")
)

type item struct {
	Name string
	N    int
}

var (
	items = stateway.Value[[]item]("items", stateway.ExpireAfterWrite(time.Hour))
	add   = stateway.JSON[item]("shop/Add")
)

func TestTrace(t *testing.T) {
	app := stateway.New()
	app.Function(cart, func(ctx *stateway.Context, _ stateway.Message) error {
		ctx.Send(ctx.Self(), stateway.String.Of(ctx.Traceparent()))
		return nil
	})
	i := statewaytest.New(t, app, cart.At("Kim"))
	for _, want := range []string{"", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", ""} {
		i.Trace(want)
		if got := statewaytest.Read(i, stateway.String, i.Deliver(stateway.Bool.Of(true)).Sent[0].Message); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func newApp() *stateway.App {
	app := stateway.New()
	app.Function(cart, handleCart, items)
	return app
}

func handleCart(ctx *stateway.Context, msg stateway.Message) error {
	if !add.Is(msg) {
		return checkout(ctx)
	}
	it, err := add.Read(msg)
	if err != nil {
		return err
	}
	if it.N <= 0 {
		return errors.New("nothing to add")
	}
	list, err := items.Get(ctx)
	if err != nil {
		return err
	}
	items.Set(ctx, append(list, it))
	ctx.Send(inventory.At(it.Name), add.Of(it))
	ctx.SendAfterWithToken(time.Minute, "expiry", ctx.Self(), stateway.String.Of("expire"))
	return nil
}

func checkout(ctx *stateway.Context) error {
	list, err := items.Get(ctx)
	if err != nil {
		return err
	}
	items.Clear(ctx)
	ctx.Cancel("expiry")
	text := fmt.Sprint(list)
	ctx.Egress("shop/kafka", stateway.KafkaRecord("receipts", ctx.Self().ID, stateway.Text(text)))
	ctx.Egress("shop/kinesis", stateway.KinesisRecordWithHashKey("receipts", ctx.Self().ID, "7", stateway.Text(text)))
	ctx.Egress(stateway.PlaygroundEgress, stateway.PlaygroundRecord("receipts", text))
	if caller, ok := ctx.Caller(); ok {
		ctx.Send(caller, stateway.Bool.Of(true))
	}
	return nil
}

func TestEffectsAndStateOfADelivery(t *testing.T) {
	kim := statewaytest.New(t, newApp(), cart.At("Kim"))
	effects := kim.Deliver(add.Of(item{"socks", 2}), add.Of(item{"shoes", 1}))

	if got, _ := statewaytest.Get(kim, items); !reflect.DeepEqual(got, []item{{"socks", 2}, {"shoes", 1}}) {
		t.Errorf("items %v", got)
	}
	if len(effects.Sent) != 2 || effects.Sent[1].To != inventory.At("shoes") {
		t.Fatalf("sent %v", effects.Sent)
	}
	if got := statewaytest.Read(kim, add, effects.Sent[0].Message); got != (item{"socks", 2}) {
		t.Errorf("the first message is %v", got)
	}
	d := effects.Delayed[1]
	if d.After != time.Minute || d.To != cart.At("Kim") || d.Token != "expiry" || !d.Message.Equal(stateway.String.Of("expire")) {
		t.Errorf("delayed %+v", d)
	}
}

func TestRecordsCallerAndRemoval(t *testing.T) {
	kim := statewaytest.New(t, newApp(), cart.At("Kim"))
	statewaytest.Set(kim, items, []item{{"pen", 3}})
	effects := kim.DeliverFrom(inventory.At("pen"), stateway.String.Of("checkout"))

	if _, found := statewaytest.Get(kim, items); found {
		t.Error("the cart is not empty")
	}
	if !reflect.DeepEqual(effects.Cancelled, []string{"expiry"}) || effects.Sent[0].To != inventory.At("pen") {
		t.Errorf("effects %+v", effects)
	}
	kafka := statewaytest.Kafka(t, effects.Egress[0])
	if want := (statewaytest.KafkaRecord{Topic: "receipts", Key: "Kim", Value: []byte("[{pen 3}]")}); !reflect.DeepEqual(kafka, want) {
		t.Errorf("got %+v, want %+v", kafka, want)
	}
	kinesis := statewaytest.Kinesis(t, effects.Egress[1])
	if kinesis.Stream != "receipts" || kinesis.PartitionKey != "Kim" || kinesis.ExplicitHashKey != "7" || string(kinesis.Data) != "[{pen 3}]" {
		t.Errorf("got %+v", kinesis)
	}
	playground := statewaytest.Playground(t, effects.Egress[2])
	if playground != (statewaytest.PlaygroundRecord{Topic: "receipts", Payload: "[{pen 3}]"}) {
		t.Errorf("got %+v", playground)
	}
}

func TestAFailedDeliveryLeavesTheStateAsItWas(t *testing.T) {
	kim := statewaytest.New(t, newApp(), cart.At("Kim"))
	statewaytest.Set(kim, items, []item{{"pen", 3}})
	err := kim.DeliverError(add.Of(item{"socks", 2}), add.Of(item{"shoes", 0}))
	if !strings.Contains(err.Error(), "message 2 of 2: nothing to add") {
		t.Errorf("error %v", err)
	}
	if got, _ := statewaytest.Get(kim, items); len(got) != 1 {
		t.Errorf("items %v", got)
	}
	statewaytest.Clear(kim, items)
	if _, found := statewaytest.Get(kim, items); found {
		t.Error("Clear left the value")
	}
	if err := kim.DeliverErrorFrom(inventory.At("pen"), add.Of(item{})); err == nil {
		t.Error("no error")
	}
}
