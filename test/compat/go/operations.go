package main

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/apache/flink-statefun/statefun-sdk-go/v3/pkg/statefun"
)

// operations are what a line of a command can say.
var operations = map[string]func(statefun.Context, []string) error{
	"add": add, "set": set, "delete": remove, "dump": dump, "caller": caller, "send": send, "after": after,
	"after-token": afterToken, "cancel": cancel, "typed": sendTyped, "kafka": kafka, "kinesis": kinesis,
	"value": value, "emit": emitTo, "log": appendLog, "fail": fail, "cycle": cycle,
}

func stateNamed(name string) (state, error) {
	at := slices.IndexFunc(allStates, func(s state) bool { return s.spec.Name == name })
	if at < 0 {
		return state{}, fmt.Errorf("no state %q", name)
	}
	return allStates[at], nil
}

func kindNamed(name string) (kind, error) {
	at := slices.IndexFunc(allKinds, func(k kind) bool { return k.name == name })
	if at < 0 {
		return kind{}, fmt.Errorf("no kind %q", name)
	}
	return allKinds[at], nil
}

func emit(ctx statefun.Context, topic, payload string) {
	ctx.SendEgress(statefun.GenericEgressBuilder{
		Target: playgroundEgress, ValueType: recordType, Value: map[string]string{"topic": topic, "payload": payload},
	})
}

func command(typename, id, text string) statefun.MessageBuilder {
	return statefun.MessageBuilder{
		Target: statefun.Address{FunctionType: statefun.TypeNameFrom(typename), Id: id}, Value: text, ValueType: commandType,
	}
}

func add(ctx statefun.Context, args []string) error {
	amount, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	var count int32
	ctx.Storage().Get(allStates[0].spec, &count)
	ctx.Storage().Set(allStates[0].spec, count+int32(amount))
	return nil
}

func set(ctx statefun.Context, args []string) error {
	s, err := stateNamed(args[0])
	if err != nil {
		return err
	}
	v, err := s.kind.parse(args[1])
	if err != nil {
		return err
	}
	ctx.Storage().Set(s.spec, v)
	return nil
}

func remove(ctx statefun.Context, args []string) error {
	s, err := stateNamed(args[0])
	if err != nil {
		return err
	}
	ctx.Storage().Remove(s.spec)
	return nil
}

func dump(ctx statefun.Context, args []string) error {
	line := args[0]
	for _, s := range allStates {
		receiver, shown := s.kind.receiver(), "-"
		if ctx.Storage().Get(s.spec, receiver) {
			shown = show(receiver)
		}
		line += " " + s.spec.Name + "=" + shown
	}
	emit(ctx, "results", line)
	return nil
}

func caller(ctx statefun.Context, args []string) error {
	name := "none"
	if from := ctx.Caller(); from != nil {
		name = from.FunctionType.String() + "/" + from.Id
	}
	emit(ctx, "results", args[0]+" caller="+name)
	return nil
}

func send(ctx statefun.Context, args []string) error {
	ctx.Send(command(args[0], args[1], args[2]))
	return nil
}

func after(ctx statefun.Context, args []string) error {
	millis, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	ctx.SendAfter(time.Duration(millis)*time.Millisecond, command(args[1], args[2], args[3]))
	return nil
}

func afterToken(ctx statefun.Context, args []string) error {
	millis, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	token, err := statefun.NewCancellationToken(args[1])
	if err != nil {
		return err
	}
	ctx.SendAfterWithCancellationToken(time.Duration(millis)*time.Millisecond, token, command(args[2], args[3], args[4]))
	return nil
}

func cancel(ctx statefun.Context, args []string) error {
	token, err := statefun.NewCancellationToken(args[0])
	if err != nil {
		return err
	}
	ctx.CancelDelayedMessage(token)
	return nil
}

func sendTyped(ctx statefun.Context, args []string) error {
	k, err := kindNamed(args[0])
	if err != nil {
		return err
	}
	v, err := k.parse(args[1])
	if err != nil {
		return err
	}
	ctx.Send(statefun.MessageBuilder{
		Target: statefun.Address{FunctionType: typedFunction, Id: args[2]}, Value: v, ValueType: k.valueType,
	})
	return nil
}

func kafka(ctx statefun.Context, args []string) error {
	ctx.SendEgress(statefun.KafkaEgressBuilder{Target: recordsEgress, Topic: args[0], Key: args[1], Value: args[2]})
	return nil
}

func kinesis(ctx statefun.Context, args []string) error {
	ctx.SendEgress(statefun.KinesisEgressBuilder{
		Target: recordsEgress, Stream: args[0], PartitionKey: args[1], Value: args[2], ExplicitHashKey: args[3],
	})
	return nil
}

func value(ctx statefun.Context, args []string) error {
	k, err := kindNamed(args[0])
	if err != nil {
		return err
	}
	v, err := k.parse(args[1])
	if err != nil {
		return err
	}
	ctx.SendEgress(statefun.GenericEgressBuilder{Target: recordsEgress, Value: v, ValueType: k.valueType})
	return nil
}

func emitTo(ctx statefun.Context, args []string) error {
	emit(ctx, args[0], args[1])
	return nil
}

func appendLog(ctx statefun.Context, args []string) error {
	s, err := stateNamed("log")
	if err != nil {
		return err
	}
	var soFar string
	if ctx.Storage().Get(s.spec, &soFar) {
		soFar += ","
	}
	ctx.Storage().Set(s.spec, soFar+args[0])
	return nil
}

var (
	attemptsMu sync.Mutex
	attempts   = map[string]int{} // by key of the fail command; lives as long as this process
)

func fail(_ statefun.Context, args []string) error {
	times, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	attemptsMu.Lock()
	defer attemptsMu.Unlock()
	attempts[args[0]]++
	if attempts[args[0]] <= times {
		return fmt.Errorf("told to fail: %s, attempt %d", args[0], attempts[args[0]])
	}
	return nil
}

func cycle(ctx statefun.Context, args []string) error {
	left, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	if left == 0 {
		emit(ctx, "results", args[0]+" done")
		return nil
	}
	own := ctx.Self()
	text := fmt.Sprintf("add 1\ncycle %s %d %s %s", args[0], left-1, quote(own.FunctionType.String()), own.Id)
	return send(ctx, []string{args[2], args[3], text})
}
