package core

// Group is several invocations, of different Addresses, that travel in one request.
type Group struct {
	// N numbers the groups of a dispatcher, from 1.
	N uint64
	// Items are the invocations, at least one. Nobody changes them while the group is under way.
	Items []*Invocation
	// Bytes is what the items take by GroupDispatcherConfig.Size.
	Bytes int

	flight
	waited Millis // as GroupOutcome.Waited
	few    bool   // of those of its items that fail again only a few count: others succeeded just before
	fails  int    // of those, counted
	half   bool   // of a group that led to nothing, of which it is the same news
	whole  bool   // it is tried as it is, or in halves, and takes no fresh items
	due    Millis // when it is tried again, while it waits
	asked  Millis // before which it must not be, not even as a probe
	order  uint64 // of those due at the same time
}

// GroupClass tells what became of a group.
type GroupClass uint8

const (
	// GroupAnswered: there is an answer, which speaks of each item for itself.
	GroupAnswered GroupClass = iota
	// GroupTrouble: the endpoint's trouble, as OutcomeTrouble. All items are tried again, for ever.
	GroupTrouble
	// GroupFailed: it was run, or may have been, and there is no valid answer to it. It is halved until what fails stands alone.
	GroupFailed
	// GroupTooLarge: the request or the answer is larger than the endpoint takes. It is halved.
	GroupTooLarge
)

// GroupOutcome is what a group led to.
type GroupOutcome struct {
	Class      GroupClass
	Reason     string // what went wrong, for an operator
	RetryAfter Millis // what the endpoint asked for; zero if it did not
	Throttled  bool   // the trouble is that too many are under way
	// Waited is how long, of the time since the group was sent, the endpoint took to be there: no part of anybody's call budget.
	Waited Millis
	// Together is how many items a group may have from now on, as the endpoint has made known; zero means that it has not. No more
	// than MaxItems count.
	Together int
	// Stray is how many answers had to be dropped, since they answer no item or one that was answered.
	Stray int
	// Items are the outcomes of GroupAnswered, by the group's items. OutcomeOK without a response stands for an item that the answer
	// lacks: it is tried again alone. OutcomeTrouble is an item that asks to be tried again. OutcomeFailed is one that failed: if the answer says so,
	// and not the lack of one to a request of its own, that is Answered.
	Items []Outcome
}

// GroupEventKind says what a GroupEvent is.
type GroupEventKind uint8

const (
	// GroupSubmit: a worker hands over Invocation.
	GroupSubmit GroupEventKind = iota
	// GroupDone: the transport is done with Group; Outcome tells how.
	GroupDone
	// GroupTick: it is Now.
	GroupTick
	// GroupForget: invocations of generations below Generation are given up; no result of theirs is delivered.
	GroupForget
)

// GroupEvent is one event for a GroupDispatcher.
type GroupEvent struct {
	Kind       GroupEventKind
	Invocation *Invocation
	Group      *Group
	Outcome    *GroupOutcome
	Now        Millis
	Generation Generation
}

// GroupEffect is one effect of a GroupDispatcher; the kinds are those of a Dispatcher. DispatchSend is of a Group; GroupDone
// answers.
type GroupEffect struct {
	Kind   DispatchEffectKind
	Group  *Group
	Result Result
	Window int
	At     Millis
}

// GroupDispatcherConfig is what a GroupDispatcher is made of. Zero fields mean the defaults.
type GroupDispatcherConfig struct {
	MaxItems    int // items of a group; default 1,000
	StartItems  int // items of a group until GroupOutcome.Together says more or less; default MaxItems
	MaxBytes    int // bytes of a group by Size; default 4 MiB
	Concurrency int // most groups under way; default 1,024
	StartAt     int // groups under way before anything is known of the endpoint; default 64
	// Ramp is by how many more groups under way the endpoint takes in RampEvery; zero means at once.
	Ramp      int
	RampEvery Millis
	// Linger is how long an item waits for others to travel with while slots are free; zero, the default, waits for nothing.
	Linger Millis
	// Target is how long a group may take from sending to its answer; groups begin with one item, and grow and shrink by it. What one item usually
	// takes a group may take as well, and half as much again; while that is more than the target, every 16th group has one item, to see what it
	// takes by now. Zero sets no target: all that is ready goes together, though many slots may be free.
	Target Millis
	Retry  Retry  // waits during the endpoint's trouble; a Jitter of zero means 0.2, a negative one none
	Probes int    // groups at a time that find out whether the trouble is over; default 2
	Seed   uint64 // of the jitter
	// Size is what an invocation takes in a group's request, in bytes; it must be pure. Nil counts nothing.
	Size func(*Invocation) int
}

func (c GroupDispatcherConfig) withDefaults() GroupDispatcherConfig {
	or := func(n *int, d int) {
		if *n <= 0 {
			*n = d
		}
	}
	or(&c.MaxItems, 1000)
	or(&c.StartItems, c.MaxItems)
	c.StartItems = min(c.StartItems, c.MaxItems)
	or(&c.MaxBytes, 4<<20)
	or(&c.Concurrency, 1024)
	or(&c.StartAt, startLimit)
	or(&c.Probes, 2)
	if c.Retry.Jitter == 0 {
		c.Retry.Jitter = 0.2
	}
	c.Retry.Jitter = min(max(c.Retry.Jitter, 0), 1)
	c.Retry = c.Retry.WithDefaults()
	if c.Size == nil {
		c.Size = func(*Invocation) int { return 0 }
	}
	return c
}

// GroupStats is what metrics show of a GroupDispatcher.
type GroupStats struct {
	Groups    uint64 // sent
	Items     uint64 // sent in them
	Bytes     uint64 // of them
	Splits    uint64 // groups that were halved
	Missing   uint64 // items that an answer lacked
	Throttled uint64 // groups refused because too many were under way
	Stray     uint64 // answers that had to be dropped
	Busy      Millis // of all groups together, from sending to the answer or its lack
	Limit     int    // groups that may be under way
	Flying    int    // groups under way
	Queued    int    // invocations that wait
	Resting   bool   // the endpoint is in trouble
}
