package core

import (
	"fmt"
	"strconv"
	"strings"
)

// event is the event that a command of a worker's script stands for.
func (s *workerScript) event(c command) Event {
	switch c.name {
	case "records":
		r := Records{Partition: PartitionID(c.number("p", 0)), Name: "p" + c.text("p", "0"), Messages: scriptMessages(c.words)}
		if out := c.text("egress", ""); out != "" {
			name, arg, _ := strings.Cut(out, ":")
			r.Egresses = []EgressRecord{{Egress: name, Typename: "t", Arg: Value(arg)}}
		}
		if pos := c.text("pos", ""); pos != "" {
			r.Position = []byte(pos)
		}
		return r
	case "many":
		return scriptMany(c)
	case "frame":
		return &Frame{
			From: WorkerID(c.number("from", 1)), To: s.w.cfg.ID, Generation: Generation(c.number("gen", 1)),
			Seq: uint64(c.number("seq", 1)), Epoch: Epoch(c.number("epoch", 1)), Messages: scriptMessages(c.words),
		}
	case "end":
		return EndOfEpoch{Node: NodeID(c.number("node", 0)), Epoch: Epoch(number(c.word(0)))}
	case "begin":
		return Begin{CheckpointID(number(c.word(0)))}
	case "committed":
		return Committed{CheckpointID(number(c.word(0)))}
	case "tick":
		return Tick{Millis(number(c.word(0)))}
	case "window":
		return Window{Endpoint: EndpointID(c.number("e", 0)), Limit: int(number(c.word(0)))}
	case "short":
		return CreditShort{}
	case "restored":
		id := ShardID(number(c.word(0)))
		return s.shards[id].restored(id, s.w.cfg.App.Egresses)
	}
	return s.resultEvent(c)
}

func (s *workerScript) resultEvent(c command) Event {
	switch c.name {
	case "ok":
		return s.result(c, Outcome{Response: scriptResponse(c), Took: Millis(c.number("took", 0))})
	case "incomplete":
		resp := &Response{Incomplete: true}
		for _, w := range c.words[1:] {
			resp.Missing = append(resp.Missing, scriptSpec(w))
		}
		return s.result(c, Outcome{Response: resp, Took: Millis(c.number("took", 0))})
	case "fail":
		return s.result(c, Outcome{
			Class: OutcomeFailed, Reason: c.text("why", "broken"),
			Took: Millis(c.number("took", 0)), RetryAfter: Millis(c.number("after", 0)), Final: c.text("final", "") == "yes",
			Answered: c.text("answered", "") == "yes",
		})
	case "again":
		return Results{[]Result{s.last[scriptAddress(c.word(0))]}}
	case "done":
		var done EgressDone
		for _, w := range c.words {
			done.Records = append(done.Records, s.emitted[w])
		}
		return done
	}
	return operatorEvent(c)
}

func operatorEvent(c command) Event {
	switch c.name {
	case "halt":
		return Halt{}
	case "memory":
		return PressureLimits{Memory: number(c.word(0))}
	case "resume":
		return Resume{Request: uint64(c.number("req", 1)), Address: scriptAddress(c.word(0))}
	case "drop":
		return Drop{Request: uint64(c.number("req", 1)), Address: scriptAddress(c.word(0))}
	case "redrive":
		ev := Redrive{Request: uint64(c.number("req", 1)), Shard: ShardID(c.number("shard", 0))}
		for _, w := range c.words {
			until, seq, _ := strings.Cut(w, "/")
			ev.Keys = append(ev.Keys, DeadLetterKey{Until: Millis(number(until)), Seq: Seq(number(seq))})
		}
		return ev
	case "inspect":
		ev := Inspect{Request: 1, Limit: int(c.number("limit", 0))}
		if len(c.words) > 0 {
			ev.Address = scriptAddress(c.words[0])
		}
		return ev
	}
	panic("script: no such command: " + c.name)
}

func (s *workerScript) result(c command, o Outcome) Event {
	a := scriptAddress(c.word(0))
	inv := s.tries[a]
	if inv == nil {
		panic("script: no try for " + c.word(0))
	}
	r := Result{Invocation: inv, Outcome: o}
	s.last[a] = r
	return Results{[]Result{r}}
}

// scriptAddress reads namespace/name/id.
func scriptAddress(s string) Address {
	i := strings.LastIndex(s, "/")
	return Address{Type: FunctionType(s[:i]), ID: s[i+1:]}
}

// scriptMessages reads messages of the form address:argument;d=dedupe id;r=request;from=caller;n=bytes;t=trace.
func scriptMessages(words []string) []*Message {
	var mail []*Message
	for _, w := range words {
		fields := strings.Split(w, ";")
		to, arg, _ := strings.Cut(fields[0], ":")
		m := &Message{Target: scriptAddress(to), Arg: Value(arg)}
		for _, f := range fields[1:] {
			k, v, _ := strings.Cut(f, "=")
			switch k {
			case "d":
				m.Dedupe = v
			case "r":
				m.Request = RequestID{N: uint64(number(v))}
			case "from":
				m.Caller = scriptAddress(v)
			case "t":
				m.Trace = testTrace(uint64(number(v)))
			case "n":
				m.Arg = append(m.Arg, strings.Repeat(".", int(number(v)))...)
			}
		}
		mail = append(mail, m)
	}
	return mail
}

// scriptMany is n records for one Address, or with ids=yes for n.
func scriptMany(c command) Records {
	r := Records{Partition: PartitionID(c.number("p", 0))}
	a := scriptAddress(c.word(0))
	for i := range c.number("n", 1) {
		to := a
		if c.text("ids", "") != "" {
			to.ID += strconv.Itoa(int(i))
		}
		arg := Value(fmt.Sprint(i) + strings.Repeat(".", int(c.number("bytes", 0))))
		r.Messages = append(r.Messages, &Message{Target: to, Arg: arg})
	}
	return r
}

// scriptSpec reads name:typename:mode:ttl; a missing typename is t, a missing mode is never.
func scriptSpec(s string) StateSpec {
	f := strings.Split(s, ":")
	spec := StateSpec{Name: f[0], Typename: "t"}
	if len(f) > 1 {
		spec.Typename = f[1]
	}
	if len(f) > 3 {
		spec.Mode = map[string]ExpireMode{"write": ExpireAfterWrite, "invoke": ExpireAfterInvoke, "odd": 9}[f[2]]
		spec.TTL = Millis(number(f[3]))
	}
	return spec
}

// scriptResponse reads effects in the order in which they stand: send=address:arg, delay=ms:token:address:arg, cancel=token,
// egress=name:arg, set=state:value:typename, del=state, and many at once with delays=n:ms and egresses=n:name:arg.
func scriptResponse(c command) *Response {
	r := &Response{}
	for _, o := range c.options {
		f := append(strings.Split(o.value, ":"), "", "", "", "")
		switch o.key {
		case "send":
			r.Messages = append(r.Messages, Outgoing{Target: scriptAddress(f[0]), Arg: Value(f[1])})
		case "delay":
			r.Delayed = append(r.Delayed, Delayed{Delay: Millis(number(f[0])), Token: f[1], Target: scriptAddress(f[2]), Arg: Value(f[3])})
		case "delays":
			r.Delayed = append(r.Delayed, manyDelayed(number(f[0]), number(f[1]))...)
		case "cancel":
			r.Delayed = append(r.Delayed, Delayed{Cancel: true, Token: f[0]})
		case "egress":
			r.Egresses = append(r.Egresses, EgressRecord{Egress: f[0], Typename: "t", Arg: Value(f[1])})
		case "egresses":
			for i := range number(f[0]) {
				r.Egresses = append(r.Egresses, EgressRecord{Egress: f[1], Typename: "t", Arg: Value(fmt.Sprint(f[2], i))})
			}
		case "set":
			m := Mutation{Name: f[0], Value: Value(f[1]), Typename: "t"}
			if f[2] != "" {
				m.Typename = strings.Trim(f[2], "-")
			}
			r.Mutations = append(r.Mutations, m)
		case "del":
			r.Mutations = append(r.Mutations, Mutation{Name: f[0], Delete: true})
		case "took":
		default:
			panic("script: no such effect: " + o.key)
		}
	}
	return r
}

// manyDelayed is n delayed messages for one Address, a millisecond apart.
func manyDelayed(n, first int64) []Delayed {
	var all []Delayed
	for i := range n {
		all = append(all, Delayed{Delay: Millis(first + i), Target: scriptAddress("g/t/1"), Arg: Value(fmt.Sprint(i))})
	}
	return all
}
