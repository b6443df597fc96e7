package sim

import "github.com/stateway/stateway/runtime/core"

// groupProfile is what the servers of groups are like, and how often what goes wrong.
type groupProfile struct {
	many      bool  // Addresses have such servers, mostly
	announced bool  // groups are sent only after the server has announced them
	since     int64 // µs: before, it does not
	capacity  int   // groups that a server takes at a time; zero if any
	bytes     int   // of a group that a server takes; zero if any
	unlucky   int   // every so manieth Address asks to be tried again, mostly; zero if none does

	failed, trouble, late, twice, cold                    float64 // of groups
	missing, retry, itemFailed, final, itemTwice, strange float64 // of items
}

func (s *Sim) drawGroups(rate func(float64) float64) groupProfile {
	g := groupProfile{
		many: s.chance(0.3), announced: s.chance(0.4),
		failed: rate(0.3), trouble: rate(0.3), late: rate(0.3), twice: rate(0.4), cold: rate(0.3),
		missing: rate(0.3), retry: rate(0.2), itemFailed: rate(0.2), final: rate(0.05), itemTwice: rate(0.3), strange: rate(0.4),
	}
	if g.announced && s.chance(0.5) {
		g.since = s.spread(2_000_000)
	}
	if s.chance(0.25) {
		g.capacity = 1 + s.rng.IntN(4)
	}
	if s.chance(0.25) {
		g.bytes = 500 + s.rng.IntN(20_000)
	}
	if s.chance(0.3) {
		g.unlucky = 2 + s.rng.IntN(6)
	}
	return g
}

// wire is one event of a group's answer, as it travels.
type wire struct {
	id string
	core.Outcome
}

// serve plays transport and server: it answers a group some time later, in one of the ways in which that can go.
func (e *grouped) serve(g *core.Group) {
	s, p := e.s, &e.s.profile.group
	s.note("group", g.N, uint64(len(g.Items)))
	s.countIf(len(g.Items) > 1, GroupOfMany)
	delay := 100 + s.spread(2_000) + s.spread(20*int64(len(g.Items)))
	if s.faulty(s.profile.callSlow) {
		s.count(CallSlow)
		delay = s.spread(300_000)
	}
	waited := core.Millis(0)
	if s.faulty(p.cold) {
		s.count(GroupCold)
		waited = core.Millis(s.rng.IntN(100))
		delay += int64(waited) * 1000
	}
	failed := core.GroupOutcome{Class: core.GroupFailed, Reason: "no answer in time", Waited: waited}
	switch o := e.refused(g); {
	case o != nil:
		o.Waited = waited
		e.answer(delay, func() { e.done(g, *o) })
	case s.faulty(p.late):
		s.count(GroupLate)
		e.answer(delay, func() { e.done(g, failed) })
		e.lateAnswer(delay+s.spread(100_000), g, waited)
	default:
		e.answer(delay, func() {
			o := e.run(g, waited)
			e.done(g, o)
			if s.faulty(p.twice) {
				s.count(GroupTwice)
				e.answer(s.spread(30_000), func() { e.done(g, o) })
			}
		})
	}
}

// answer has something happen at the server and behind, if the process is there for its answer.
func (e *grouped) answer(delay int64, f func()) {
	e.serving++
	e.p.later(delay, func() {
		e.serving--
		f()
	})
}

// refused is the outcome of a group that does not run, or whose answer cannot be used whatever its items say; nil if it is answered.
func (e *grouped) refused(g *core.Group) *core.GroupOutcome {
	s, p := e.s, &e.s.profile.group
	switch {
	case !s.faulting:
	case p.capacity > 0 && e.serving >= p.capacity:
		s.count(GroupThrottled)
		return &core.GroupOutcome{Class: core.GroupTrouble, Throttled: true, Reason: "status 429", RetryAfter: core.Millis(s.rng.IntN(2) * s.rng.IntN(60))}
	case p.bytes > 0 && g.Bytes > p.bytes:
		s.count(GroupTooLarge)
		return &core.GroupOutcome{Class: core.GroupTooLarge, Reason: "status 413"}
	case s.now < s.broken[e.id] && s.chance(0.5):
		s.count(GroupsBroken)
		return &core.GroupOutcome{Class: core.GroupFailed, Reason: "the deployment is broken"}
	case s.chance(p.trouble):
		s.count(GroupTrouble)
		return &core.GroupOutcome{Class: core.GroupTrouble, Reason: "status 503", RetryAfter: core.Millis(s.rng.IntN(2) * s.rng.IntN(60))}
	case s.chance(p.failed):
		s.count(GroupFailed)
		return &core.GroupOutcome{Class: core.GroupFailed, Reason: "the connection ended"}
	}
	return nil
}

// late runs the items of a group that was given up. What comes of it goes to the dispatcher, which drops it, or past it to a worker, perhaps
// of a process that was started since.
func (e *grouped) late(g *core.Group, waited core.Millis) func() {
	past := e.s.chance(0.3)
	items := g.Items
	return func() {
		o := e.run(&core.Group{Items: items}, waited)
		gen := e.p.gen
		switch {
		case !past:
			e.done(g, o)
		case gen != nil && !gen.over:
			for i, inv := range items {
				if o.Items[i].Class == core.OutcomeOK && o.Items[i].Response != nil {
					e.pass(gen, inv, o.Items[i])
				}
			}
		}
	}
}

// pass hands an answer to a worker, which drops it if it waits for it no more.
func (e *grouped) pass(gen *generation, inv *core.Invocation, o core.Outcome) {
	to := gen.own(inv.Try.Worker)
	if inv.Try.Generation != gen.id {
		e.s.count(AnswerToOldGeneration)
		to = gen.workers[e.s.rng.IntN(len(gen.workers))]
	}
	to.put(core.Results{Results: []core.Result{{Invocation: inv, Outcome: o}}})
}

// run has the functions run, and reads what comes back as a transport does.
func (e *grouped) run(g *core.Group, waited core.Millis) core.GroupOutcome {
	p := &e.s.profile.group
	o := core.GroupOutcome{Class: core.GroupAnswered, Waited: waited, Items: make([]core.Outcome, len(g.Items))}
	lost := p.announced && (e.s.now < e.s.noGroups || (e.s.faulting && e.s.now < p.since))
	var answers []wire
	for _, inv := range g.Items {
		answers = append(answers, e.answers(inv, lost, len(g.Items) == 1)...)
	}
	switch {
	case lost: // each item travels in a request of its own
		e.s.countIf(e.together > 1, GroupsLost)
		o.Together = 1
	case p.announced:
		e.s.countIf(e.together == 1, GroupsAnnouncedLate)
		o.Together = e.takes()
	}
	e.together = o.Together
	answers = append(answers, e.strange()...)
	e.s.rng.Shuffle(len(answers), func(i, j int) { answers[i], answers[j] = answers[j], answers[i] })
	e.read(g, answers, &o)
	for i := range o.Items { // a request of its own that fails has status 500, which is no answer
		o.Items[i].Answered = !lost && o.Items[i].Class == core.OutcomeFailed
	}
	return o
}

// takes is how many items a server takes in a request: mostly as many as anybody likes.
func (e *grouped) takes() int {
	most := 1 << 16
	if e.s.faulty(0.1) {
		most = 2 + e.s.rng.IntN(6)
	}
	e.s.countIf(most < e.together, GroupsFewer)
	return most
}

// lateAnswer has a group that was given up run nevertheless, though its process may have died.
func (e *grouped) lateAnswer(delay int64, g *core.Group, waited core.Millis) {
	e.serving++
	run := e.late(g, waited)
	e.s.after(delay, func() {
		if e.p.alive {
			e.serving--
			run()
			return
		}
		for _, inv := range g.Items {
			e.p.m.lateAnswer(inv, func() core.Outcome { return core.Outcome{Response: e.s.respond(inv)} })
		}
	})
}

// read matches the answers with the items that were asked.
func (e *grouped) read(g *core.Group, answers []wire, o *core.GroupOutcome) {
	m := &e.match
	m.Reset()
	for _, inv := range g.Items {
		m.Asked(inv.Try.String())
	}
	for i := range answers {
		if n, ok := m.Answered(answers[i].id); ok {
			o.Items[n] = answers[i].Outcome
			continue
		}
		o.Stray++
	}
	if st := m.Stray(); st.Doubled+st.Older+st.Unknown != o.Stray {
		e.s.fail("groups: %d answers were dropped, and %+v counted", o.Stray, st)
	}
}

// answers are what a server says to one item: nothing, something, or two things, of which the first to be read counts.
func (e *grouped) answers(inv *core.Invocation, plain, alone bool) []wire {
	s, p := e.s, &e.s.profile.group
	if !plain && s.faulty(p.missing) {
		s.countIf(!alone, ItemMissing)
		s.countIf(alone, ItemMissingAlone)
		return nil
	}
	id := inv.Try.String()
	answers := []wire{{id, e.outcome(inv, alone)}}
	if !plain && s.faulty(p.itemTwice) {
		s.count(ItemTwice)
		answers = append(answers, wire{id, e.outcome(inv, alone)})
	}
	return answers
}

// outcome runs the functions of one item.
func (e *grouped) outcome(inv *core.Invocation, alone bool) core.Outcome {
	s, p := e.s, &e.s.profile.group
	if reason := s.poisoned(inv); reason != "" {
		s.countIf(!alone, ItemPoison)
		return core.Outcome{Class: core.OutcomeFailed, Reason: reason}
	}
	unlucky := p.unlucky > 0 && inv.Target.Hash()%uint64(p.unlucky) == 0 //nolint:gosec // small
	switch {
	case !s.faulting:
	case s.now < s.broken[e.id]:
		s.count(GroupsBroken)
		return core.Outcome{Class: core.OutcomeFailed, Reason: "the deployment is broken"}
	case s.chance(p.retry) || (unlucky && s.chance(0.97)):
		s.count(ItemRetry)
		o := core.Outcome{Class: core.OutcomeTrouble, Reason: "no time is left"}
		if s.chance(0.3) {
			s.count(ItemRetryAfter)
			o.RetryAfter = core.Millis(s.rng.IntN(100))
		}
		return o
	case s.chance(p.final):
		s.count(ItemFinal)
		return core.Outcome{Class: core.OutcomeFailed, Reason: "the answer is too large", Final: true}
	case s.chance(p.itemFailed):
		s.count(ItemFailed)
		return s.failed()()
	}
	return core.Outcome{Response: s.respond(inv)}
}

// strange are answers that nobody has asked for. Were one taken for an item's, its message would be lost.
func (e *grouped) strange() (answers []wire) {
	s := e.s
	nothing := core.Outcome{Response: &core.Response{}}
	if s.faulty(s.profile.group.strange) {
		s.count(AnswerToNothing)
		answers = append(answers, wire{"order-17", nothing})
	}
	if len(e.older) > 0 && s.faulty(s.profile.group.strange) {
		s.count(AnswerToOldTry)
		answers = append(answers, wire{e.older[s.rng.IntN(len(e.older))], nothing})
	}
	return answers
}

const olderTries = 8 // that a server may still speak of

// remember keeps a try that is over.
func (e *grouped) remember(inv *core.Invocation) {
	if !e.s.faulting || e.s.profile.group.strange == 0 {
		return
	}
	if len(e.older) == olderTries {
		e.older = e.older[1:]
	}
	e.older = append(e.older, inv.Try.String())
}
