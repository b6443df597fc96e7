package core

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// describe writes an effect on one line; an empty text is not printed.
func (s *workerScript) describe(e Effect) string {
	if isRead(e) {
		return s.describeRead(e)
	}
	switch e := e.(type) {
	case *Invocation:
		return describeInvocation(e)
	case *Frame:
		return fmt.Sprintf("frame to=%d seq=%d epoch=%d %s", e.To, e.Seq, e.Epoch, describeMail(e.Messages, true))
	case EpochEnded:
		return fmt.Sprintf("epoch-ended %d", e.Epoch)
	case Part:
		return describePart(e)
	case Emit:
		return s.describeEmit(e)
	case EmitEnd:
		return fmt.Sprintf("emit-end %d", e.Checkpoint)
	case Accepted:
		return fmt.Sprintf("accepted %d epoch=%d", e.Request.N, e.Epoch)
	case Credit:
		return fmt.Sprintf("credit p=%d %d", e.Partition, e.Bytes)
	case Want:
		return fmt.Sprintf("want %s epoch=%d", [...]string{"nothing", "dirty", "soon"}[e.Why], e.Epoch)
	case Alarm:
		return fmt.Sprintf("alarm %d", e.At)
	case Halted:
		return "halted"
	}
	return describeAnswer(e)
}

func describeAnswer(e Effect) string {
	switch e := e.(type) {
	case OperatorDone:
		return strings.TrimRight(fmt.Sprintf("operator-done %d %s", e.Request, e.Problem), " ")
	case Redriven:
		lines := []string{strings.TrimRight(fmt.Sprintf("redriven %d %s", e.Request, e.Problem), " ")}
		for _, l := range e.Letters {
			lines = append(lines, strings.TrimRight(fmt.Sprintf("  %d/%d %s", l.Key.Until, l.Key.Seq, l.Problem), " "))
		}
		return strings.Join(lines, "\n")
	case Broken:
		return "broken: " + e.Reason
	case Note:
		return fmt.Sprintf("note %s: %s", e.Address, e.Text)
	case Inspected:
		lines := []string{fmt.Sprintf("inspected %d", len(e.Addresses))}
		for _, a := range e.Addresses {
			lines = append(lines, fmt.Sprintf("  %s %s waiting=%d disk=%v attempts=%d first=%d last=%d retry=%d reasons=%q states=%v",
				a.Address, a.Status, a.Waiting, a.OnDisk, a.Attempts, a.First, a.Last, a.RetryAt, a.Reasons, a.States))
		}
		return strings.Join(lines, "\n")
	}
	return fmt.Sprintf("%T %+v", e, e)
}

// describeRead prints reads only while they are held, with the number by which commands name them.
func (s *workerScript) describeRead(e Effect) string {
	if a, ok := e.(Apply); ok {
		return fmt.Sprintf("apply shard=%d checkpoint=%d rows=%d", a.Overlay.Shard, a.Overlay.Epoch, a.Overlay.Len())
	}
	if !s.hold {
		return ""
	}
	switch e := e.(type) {
	case LoadAddress:
		return fmt.Sprintf("read address %s", e.Address)
	case LoadMailbox:
		return fmt.Sprintf("read mailbox %s from=%d through=%d", e.Address, e.From, e.Through)
	case FindDedupe:
		return fmt.Sprintf("read dedupe %s %s", e.Message.Target, e.Message.Dedupe)
	case FindTokens:
		return fmt.Sprintf("read tokens %s %v", e.Sender, e.Tokens)
	case ReadTimers:
		return fmt.Sprintf("read timers shard=%d after=%d/%d", e.Shard, e.After.Due, e.After.Seq)
	case ReadOutbox:
		return fmt.Sprintf("read outbox shard=%d %s after=%d/%d", e.Shard, e.Name, e.After.Epoch, e.After.Seq)
	case ReadBacklog:
		return fmt.Sprintf("read backlog shard=%d", e.Shard)
	}
	if e, ok := e.(ReadFailures); ok {
		return fmt.Sprintf("read failures shard=%d", e.Shard)
	}
	if e, ok := e.(LoadFailures); ok {
		return fmt.Sprintf("read letters shard=%d %v", e.Shard, e.Keys)
	}
	return fmt.Sprintf("read expiring shard=%d", e.(ReadExpiring).Shard)
}

func describeInvocation(e *Invocation) string {
	text := fmt.Sprintf("invoke %s %s", e.Target, describeMail(e.Messages, false))
	if len(e.States) > 0 {
		var states []string
		for _, st := range e.States {
			if st.Value == nil {
				states = append(states, st.Name)
			} else {
				states = append(states, st.Name+"="+shorten(st.Value))
			}
		}
		text += " {" + strings.Join(states, " ") + "}"
	}
	if e.Attempt > 1 {
		text += fmt.Sprintf(" attempt=%d budget=%d", e.Attempt, e.Budget)
	}
	if e.Alone {
		text += " alone"
	}
	return text + describeTrace(e.Trace())
}

func describeMail(mail []*Message, targets bool) string {
	var words []string
	for i, m := range mail {
		if len(mail) > 8 && i == 3 {
			words = append(words, fmt.Sprintf("...(%d)", len(mail)))
		}
		if len(mail) > 8 && i >= 3 && i < len(mail)-1 {
			continue
		}
		word := shorten(m.Arg)
		if targets {
			word = m.Target.String() + ":" + word
		}
		if !m.Caller.IsZero() {
			word += "<" + m.Caller.String()
		}
		if targets {
			word += describeTrace(m.Trace)
		}
		words = append(words, word)
	}
	return "[" + strings.Join(words, " ") + "]"
}

func (s *workerScript) describeEmit(e Emit) string {
	var words []string
	for i, r := range e.Records {
		if len(e.Records) <= 16 || i == 0 || i == len(e.Records)-1 {
			words = append(words, fmt.Sprintf("%s@%d", strings.TrimSpace(shorten(r.Arg)), r.Key.Epoch)+describeTrace(r.Trace))
		} else if i == 1 {
			words = append(words, fmt.Sprintf("...(%d)", len(e.Records)))
		}
	}
	text := fmt.Sprintf("emit %s [%s]", s.w.cfg.App.Egresses[e.Egress].Name, strings.Join(words, " "))
	if e.Checkpoint > 0 {
		text += fmt.Sprintf(" checkpoint=%d", e.Checkpoint)
	}
	return text
}

func describePart(p Part) string {
	lines := []string{fmt.Sprintf("part %d time=%d", p.Checkpoint, p.Time)}
	for _, name := range slices.Sorted(maps.Keys(p.Positions)) {
		lines = append(lines, fmt.Sprintf("  position %s=%s", name, p.Positions[name]))
	}
	for _, o := range p.Overlays {
		lines = append(lines, describeOverlay(o)...)
	}
	return strings.Join(lines, "\n")
}

func describeOverlay(o *Overlay) []string {
	if o.Len() > 24 {
		return []string{fmt.Sprintf("  shard %d: %d rows", o.Shard, o.Len())}
	}
	var lines []string
	for r := range o.Rows() {
		lines = append(lines, fmt.Sprintf("  %d %s", o.Shard, describeRow(r)))
	}
	return lines
}

// dump prints what the worker and its stores hold.
func (s *workerScript) dump(c command) {
	switch c.name {
	case "rows":
		for id, st := range s.shards {
			st.scan(nil, nil, func(k, v []byte) bool {
				s.printf("%d %s", id, strings.TrimPrefix(describeRow(Row{Key: k, Value: v}), "put "))
				return true
			})
		}
	case "overlay":
		s.dumpOverlays()
	case "mailbox":
		s.dumpMailbox(scriptAddress(c.word(0)))
	case "gauges":
		s.printf("%+v", s.w.Gauges())
	case "stats":
		s.printf("%+v", s.w.Stats())
	case "pending":
		for _, p := range s.pending {
			s.printf("%s", s.describeRead(p.effect))
		}
	}
}

func (s *workerScript) dumpOverlays() {
	for _, sh := range s.w.owned {
		all := append([]*Overlay(nil), sh.frozen...)
		if sh.open != nil {
			all = append(all, sh.open)
		}
		for _, o := range all {
			s.printf("epoch %d", o.Epoch)
			for _, line := range describeOverlay(o) {
				s.printf("%s", line)
			}
		}
	}
}

func (s *workerScript) dumpMailbox(a Address) {
	sh := s.w.shards[s.w.cfg.Sharding.Of(a.Hash())]
	in := sh.find(a.Hash(), a)
	if in == nil {
		s.printf("not in memory")
		return
	}
	text := "taken=" + describeMail(in.mail[:in.taken], false) + " mail=" + describeMail(in.mail[in.taken:], false)
	if in.disk.from != 0 {
		text += fmt.Sprintf(" disk=%d..%d behind=%s", in.disk.from, in.disk.through, describeMail(in.behind, false))
	}
	s.printf("%s", text)
}
