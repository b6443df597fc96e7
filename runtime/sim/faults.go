package sim

import (
	"fmt"
	"strings"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/ingress/kinesis/lineage"
)

// Fault is a kind of thing that goes wrong, or of a rare thing that must go right.
type Fault int

// The kinds of faults.
const (
	Crash Fault = iota
	CrashWithoutDisk
	CrashAfterUpload
	CrashAfterAppend
	CrashAfterCommit
	LateStore
	StoreFailed
	BucketSlow
	BucketFailed
	BucketLost
	BucketLateCreate
	BucketOutage
	StaleList
	WorkerStalled
	LinkSlow
	CallSlow
	CallFailed
	CallTrouble
	CallTwice
	CallLate
	AnswerToOldGeneration
	NetworkCut
	FrameTwice
	FrameOfOldGeneration
	FrameOfNewGeneration
	RivalClaim
	ZombieAppend
	AppendAfterDeath
	RecordsTwice
	RequestTwice
	TimeJump
	TinyMemory
	Spilled
	LargeValue
	Halt
	WindowChanged
	EgressOutage
	EgressFailed
	EgressLost
	AddressHeld
	LetterDead
	BaseRefreshed
	ObjectsCollected
	CountedAnew
	HeadDropped
	StatesChanged
	StateBack
	TimersPaged
	OutboxPaged
	ShardSplit
	ShardsMerged
	ShardExpired
	ListOld
	ListTorn
	ListThrottled
	StreamThrottled
	Aggregated
	AggregateResumed
	LoopTwice
	BeforeStart
	CreditShort
	GroupOfMany
	GroupHalved
	GroupFailed
	GroupLate
	GroupTwice
	GroupTrouble
	GroupThrottled
	GroupTooLarge
	GroupCold
	GroupLingered
	GroupsRamped
	GroupsRested
	GroupsLost
	GroupsBroken
	GroupsForgotten
	ItemMissing
	ItemMissingAlone
	ItemRetry
	ItemRetryAfter
	ItemFailed
	ItemFinal
	ItemPoison
	ItemStruckOut
	ItemTooLarge
	ItemTwice
	AnswerToOldTry
	AnswerToNothing
	AnswerAfterRestart
	GroupsAnnouncedLate
	GroupsFewer
	LetterBack
	LetterGone
	LetterAgain
	LetterOver
	RedriveRefused
	PoisonMended
	numFaults
)

var faultNames = [numFaults]string{
	Crash: "crash, disk kept", CrashWithoutDisk: "crash, disk lost", CrashAfterUpload: "crash after a segment's upload",
	CrashAfterAppend: "crash after a manifest's append", CrashAfterCommit: "crash soon after a commit", LateStore: "store newer than its last flush after a crash",
	StoreFailed: "store failed", BucketSlow: "bucket slow", BucketFailed: "bucket failed before the effect",
	BucketLost: "bucket's answer lost", BucketLateCreate: "create arrived late", BucketOutage: "bucket out", StaleList: "stale list",
	WorkerStalled: "worker stalled", LinkSlow: "link slow", CallSlow: "function slow", CallFailed: "function failed", CallTrouble: "endpoint in trouble", CallTwice: "function answered twice",
	CallLate: "function answered after being given up", AnswerToOldGeneration: "answer to a try of an older generation",
	NetworkCut: "network cut", FrameTwice: "frame sent again", FrameOfOldGeneration: "frame of an older generation",
	FrameOfNewGeneration: "frame of a newer generation", RivalClaim: "claim beside a living leader", ZombieAppend: "append of a deposed leader",
	AppendAfterDeath: "append of a dead leader arrived", RecordsTwice: "records read again", RequestTwice: "request sent again",
	TimeJump: "clock jumped", TinyMemory: "memory tiny", Spilled: "mailbox spilled", LargeValue: "large value", Halt: "planned halt",
	WindowChanged: "window changed", EgressOutage: "egresses out", EgressFailed: "egress failed", EgressLost: "egress's answer lost", AddressHeld: "Address held",
	LetterDead: "dead letter", BaseRefreshed: "base refreshed", ObjectsCollected: "objects collected",
	CountedAnew: "repeat behind the dedupe window", HeadDropped: "held message dropped", StatesChanged: "function declares other states",
	StateBack: "dropped state declared again", TimersPaged: "more timers than a read takes", OutboxPaged: "more records than a read takes",
	ShardSplit: "stream's shard split", ShardsMerged: "stream's shards merged", ShardExpired: "stream's shard expired", ListOld: "stale list of shards",
	ListTorn: "list of shards, half of it stale", ListThrottled: "list of shards throttled", StreamThrottled: "read of a shard throttled",
	Aggregated: "aggregated record", AggregateResumed: "restart within an aggregated record", LoopTwice: "record of the stream egress written twice",
	BeforeStart: "record of before the stream's start", CreditShort: "partition short of credit",
	GroupOfMany: "group of many", GroupHalved: "group halved", GroupFailed: "group without an answer", GroupLate: "group answered after being given up",
	GroupTwice: "group answered twice", GroupTrouble: "endpoint of groups in trouble", GroupThrottled: "group throttled",
	GroupTooLarge: "group too large for the server", GroupCold: "server of groups started cold", GroupLingered: "group waited for company",
	GroupsRamped: "limit of groups rose with a ramp", GroupsRested: "endpoint of groups rested", GroupsLost: "server lost the group protocol",
	GroupsBroken: "everything failed at a server of groups", GroupsForgotten: "groups of an older generation forgotten",
	ItemMissing: "item missing in an answer", ItemMissingAlone: "only item missing in an answer", ItemRetry: "item asked to be tried again",
	ItemRetryAfter: "item asked to be tried again later", ItemFailed: "item failed", ItemFinal: "item failed for good",
	ItemPoison: "poison item among others", ItemStruckOut: "item blamed for its troubles", ItemTooLarge: "item that fits in no group",
	ItemTwice: "item answered twice", AnswerToOldTry: "answer to an older try in a group", AnswerToNothing: "answer to nothing in a group",
	AnswerAfterRestart: "answer to a try of before a restart", GroupsAnnouncedLate: "group protocol announced late",
	GroupsFewer: "server takes fewer items than before",
	LetterBack:  "dead letter put back", LetterGone: "dead letter to be put back that is gone", LetterAgain: "dead letter of what was put back",
	LetterOver: "dead letter whose time was over", RedriveRefused: "putting back refused for now", PoisonMended: "poison message mended",
}

// String says what goes wrong.
func (f Fault) String() string { return faultNames[f] }

// Counts says how often each kind of fault happened.
type Counts [numFaults]int

// Add adds up two runs.
func (c *Counts) Add(o Counts) {
	for i := range c {
		c[i] += o[i]
	}
}

// Never lists the kinds that did not happen.
func (c *Counts) Never() []Fault {
	var never []Fault
	for f, n := range c {
		if n == 0 {
			never = append(never, Fault(f))
		}
	}
	return never
}

// String is one line for each kind.
func (c *Counts) String() string {
	var b strings.Builder
	for f, n := range c {
		fmt.Fprintf(&b, "%8d  %s\n", n, Fault(f))
	}
	return b.String()
}

func (s *Sim) count(f Fault) {
	s.counts[f]++
	s.note("fault: "+faultNames[f], 0, 0)
}

func (s *Sim) countIf(happened bool, f Fault) {
	if happened {
		s.count(f)
	}
}

// profile is what a seed's cluster is like and how often what goes wrong. Rates are chances from 0 to 1.
type profile struct {
	nodes, workers, shards int
	partitions             int
	addresses              int
	memory                 int64
	every                  int64 // ms between checkpoints
	lease                  int64 // µs
	nemesis                int64 // µs between faults, in the mean
	tiny                   bool
	window                 core.Millis       // of dedupe; zero means the usual 24 hours
	stream                 bool              // is read, too
	reshard                int64             // µs between changes of its shards, in the mean
	start                  lineage.StartKind // of the stream
	listOld, throttled     float64
	retain                 core.Millis // of dead letters; zero means the usual seven days
	flood                  bool        // once, more timers and records in one shard than a read takes

	bucketSlow, bucketFailed, bucketLost, bucketLate, staleList float64
	callSlow, callFailed, callTrouble, callTwice, callLate      float64
	egressFailed, egressLost                                    float64
	crashAfterUpload, crashAfterAppend, crashAfterCommit        float64
	workerStalled, linkSlow                                     float64
	large, poison                                               float64
	calm, storm                                                 bool // no nemesis; much traffic all the time
	weights                                                     [numNemesis]int
	group                                                       groupProfile
}

func (s *Sim) drawProfile() {
	p := &s.profile
	p.nodes = 1 + s.rng.IntN(3)
	p.workers = 1 + s.rng.IntN(3)
	p.shards = 1 << s.rng.IntN(4)
	for p.shards < p.nodes && s.chance(0.8) {
		p.shards *= 2
	}
	p.partitions = 1 + s.rng.IntN(4)
	p.addresses = 2 + s.rng.IntN(14)
	if s.chance(0.1) {
		p.addresses = 50 + s.rng.IntN(200)
	}
	p.every = int64(20 + s.rng.IntN(400))
	p.lease = int64(300+s.rng.IntN(900)) * 1000
	p.nemesis = int64(60+s.rng.IntN(700)) * 1000
	p.memory = 64 << 20
	if s.chance(0.35) {
		p.tiny = true
		p.memory = int64(8<<10 + s.rng.IntN(40<<10))
	}
	rate := func(most float64) float64 {
		if s.chance(0.5) {
			return 0
		}
		return most * s.rng.Float64() * s.rng.Float64()
	}
	p.bucketSlow, p.bucketFailed, p.bucketLost = rate(0.3), rate(0.15), rate(0.15)
	p.bucketLate, p.staleList = rate(0.2), rate(1)
	p.callSlow, p.callFailed, p.callTrouble = rate(0.2), rate(0.2), rate(0.2)
	p.callTwice, p.callLate = rate(0.3), rate(0.2)
	p.egressFailed, p.egressLost = rate(0.4), rate(0.4)
	p.crashAfterUpload, p.crashAfterAppend, p.crashAfterCommit = rate(0.15), rate(0.15), rate(0.4)
	p.workerStalled, p.linkSlow = rate(0.05), rate(0.15)
	p.large, p.poison = rate(0.2), rate(0.15)
	if s.chance(0.12) { // a few Addresses with much mail
		p.addresses, p.large, p.callSlow = 1+s.rng.IntN(3), 0.4, 0.3
	}
	if s.chance(0.15) { // many checkpoints whose cuts spread slowly, and crashes behind them
		p.nodes, p.every = 2+s.rng.IntN(2), 20
		p.linkSlow, p.crashAfterCommit, p.storm, p.partitions = 0.25, 0.3, true, 4
		p.callSlow, p.callFailed, p.bucketSlow, p.bucketFailed, p.bucketLost = 0, 0, 0, 0, 0
	}
	p.calm = s.chance(0.1)
	if s.chance(0.3) {
		p.window = core.Millis(300 + s.rng.Int64N(6000))
	}
	if p.stream = s.chance(0.4); p.stream {
		p.reshard = int64(100+s.rng.IntN(1000)) * 1000
		p.listOld, p.throttled, p.start = rate(0.6), rate(0.3), lineage.StartKind(s.rng.IntN(3)) //nolint:gosec // one of them
	}
	p.flood = !p.tiny && s.chance(0.02)
	p.group = s.drawGroups(rate)
	if s.chance(0.25) {
		p.retain = core.Millis(300 + s.rng.Int64N(6000))
	}
	for i := range p.weights {
		if s.chance(0.6) {
			p.weights[i] = 1 + s.rng.IntN(10)
		}
	}
}

func (s *Sim) chance(p float64) bool { return p > 0 && s.rng.Float64() < p }

// faulty is chance while things go wrong, and never later.
func (s *Sim) faulty(p float64) bool { return s.faulting && s.chance(p) }
