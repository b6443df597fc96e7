package generator

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress"
)

// Kind is what a record's value is made of.
type Kind uint8

const (
	// Sequence: a long, the record's number.
	Sequence Kind = iota
	// Timestamp: a long, Unix nanoseconds when the record was made.
	Timestamp
	// Bytes: Options.Size bytes drawn from the seed, the same for every record.
	Bytes
	// Text: Options.Text as the built-in string type.
	Text
)

// TypeBytes is the typename of Bytes values unless the options name one.
const TypeBytes = "io.stateway.generator/bytes"

// MaxSize is the largest Options.Size, in bytes.
const MaxSize = 16 << 20

// MaxPartitions is the largest Options.Partitions.
const MaxPartitions = 1 << 12

// MaxTargets is the largest number of Options.Targets.
const MaxTargets = 64

// Options describe one generator.
type Options struct {
	// Partitions is how many there are. Zero means 1. It cannot change once positions are kept.
	Partitions int
	// Seed chooses which ids are drawn, and the bytes of Bytes values.
	Seed uint64
	// Prefix stands before each id's number.
	Prefix string
	// IDs is how many ids there are: Prefix0 to Prefix(IDs-1), drawn uniformly. Zero means 1. Up to
	// 1<<20 they are kept in memory, about 32 bytes each.
	IDs int64
	// Rate is in records per second over all partitions. Zero means as fast as the node admits.
	Rate float64
	// Count is how many records there are over all partitions. Zero means no end.
	Count int64

	// Value is what is sent; Size and Text belong to Bytes and Text.
	Value Kind
	Size  int
	Text  string
	// ValueType is the typename to send instead of the kind's own.
	ValueType string

	// Targets get one message each for every record. Not with Router.
	Targets []core.FunctionType
	// Router makes the messages instead, more slowly.
	Router ingress.Router
}

func (o Options) withDefaults() Options {
	if o.Partitions == 0 {
		o.Partitions = 1
	}
	if o.IDs == 0 {
		o.IDs = 1
	}
	if o.ValueType == "" {
		o.ValueType = [...]string{ingress.TypeLong, ingress.TypeLong, TypeBytes, ingress.TypeString}[o.Value]
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.Partitions < 0 || o.Partitions > MaxPartitions {
		bad("partitions %d: must be from 1 to %d", o.Partitions, MaxPartitions)
	}
	if o.IDs < 0 {
		bad("ids.count %d: must be above 0", o.IDs)
	}
	if o.Rate < 0 || math.IsNaN(o.Rate) || math.IsInf(o.Rate, 0) {
		bad("rate %v: must be a number of records per second above 0", o.Rate)
	}
	if o.Count < 0 {
		bad("count %d: must be above 0", o.Count)
	}
	if o.Value > Text {
		bad("value kind %d is unknown", o.Value)
	}
	if o.Size < 0 || o.Size > MaxSize {
		bad("value.bytes %d: must be from 0 to %d", o.Size, MaxSize)
	}
	if (len(o.Targets) == 0) == (o.Router == nil) {
		bad("targets: at least one function type or a router is needed, and not both")
	}
	if len(o.Targets) > MaxTargets {
		bad("targets: %d are more than %d", len(o.Targets), MaxTargets)
	}
	return errors.Join(errs...)
}

// gap is the time between two records of one partition; zero if the rate is not limited.
func (o Options) gap() time.Duration {
	if o.Rate == 0 {
		return 0
	}
	g := float64(o.Partitions) / o.Rate * float64(time.Second)
	return time.Duration(min(max(g, 1), float64(maxGap)))
}

// maxGap bounds the pause between two records, so that times do not overflow.
const maxGap = 365 * 24 * time.Hour
