package crash

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/stateway/stateway/protocol/reqreply"
	"github.com/stateway/stateway/runtime/module"
	"github.com/stateway/stateway/test/crash/bank"
)

// TestFunctionsAgreeWithTheModel runs operations through the functions with a queue in memory, so that a difference in the crash test is
// the runtime's.
func TestFunctionsAgreeWithTheModel(t *testing.T) {
	m := &mailbox{t: t, states: map[string]map[string]*reqreply.TypedValue{}, slots: map[string]int{}}
	var ops []bank.Op
	for number := 1; number <= 200; number++ {
		for client := range 5 {
			op := bank.Draw(7, client, number)
			ops = append(ops, op)
			m.send(nil, op.Account, bank.OpType.Name(), op)
		}
		m.drain()
	}
	want := bank.Expect(ops)
	for n := range bank.Accounts {
		m.send(nil, bank.AccountID(n), bank.QueryType.Name(), bank.Query{Round: 1})
	}
	m.drain()
	got := map[string]bank.Account{}
	for _, a := range m.answers {
		got[a.ID] = a.Account
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
	if len(m.records) != 2*len(ops) {
		t.Errorf("%d egress records, want %d", len(m.records), 2*len(ops))
	}
	for id, live := range m.slots {
		if live != 1 {
			t.Errorf("%s has %d waiting messages of its slot, want 1", id, live)
		}
	}
}

// mailbox delivers messages one by one; delayed ones come last of what one answer sends.
type mailbox struct {
	t       *testing.T
	states  map[string]map[string]*reqreply.TypedValue
	queue   []message
	slots   map[string]int
	records []string
	answers []bank.Answer
}

type message struct {
	to      string
	request *reqreply.ToFunction_Invocation
}

func (m *mailbox) send(caller *reqreply.Address, to, typename string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		m.t.Fatal(err)
	}
	argument := &reqreply.TypedValue{Typename: typename, HasValue: true, Value: body}
	m.queue = append(m.queue, message{to, &reqreply.ToFunction_Invocation{Caller: caller, Argument: argument}})
}

func (m *mailbox) drain() {
	app := bank.App(0)
	for len(m.queue) > 0 {
		next := m.queue[0]
		m.queue = m.queue[1:]
		self := &reqreply.Address{Namespace: "crash", Type: "account", Id: next.to}
		batch := &reqreply.ToFunction_InvocationBatchRequest{Target: self, Invocations: []*reqreply.ToFunction_Invocation{next.request}}
		for _, name := range []string{"account", "sent"} {
			batch.State = append(batch.State, &reqreply.ToFunction_PersistedValue{StateName: name, StateValue: m.states[next.to][name]})
		}
		request, err := proto.Marshal(&reqreply.ToFunction{Request: &reqreply.ToFunction_Invocation_{Invocation: batch}})
		if err != nil {
			m.t.Fatal(err)
		}
		body, err := app.Invoke(m.t.Context(), request)
		if err != nil {
			m.t.Fatal(err)
		}
		var answer reqreply.FromFunction
		if err := proto.Unmarshal(body, &answer); err != nil {
			m.t.Fatal(err)
		}
		m.apply(self, answer.GetInvocationResult())
	}
}

func (m *mailbox) apply(self *reqreply.Address, result *reqreply.FromFunction_InvocationResponse) {
	for _, out := range result.GetOutgoingMessages() {
		m.queue = append(m.queue, message{out.GetTarget().GetId(), &reqreply.ToFunction_Invocation{Caller: self, Argument: out.GetArgument()}})
	}
	for _, d := range result.GetDelayedInvocations() {
		switch {
		case d.GetIsCancellationRequest():
			m.slots[self.GetId()] = 0
		case d.GetCancellationToken() == "slot":
			m.slots[self.GetId()]++
		default:
			m.queue = append(m.queue, message{d.GetTarget().GetId(), &reqreply.ToFunction_Invocation{Caller: self, Argument: d.GetArgument()}})
		}
	}
	for _, e := range result.GetOutgoingEgresses() {
		if e.GetEgressNamespace() == "crash" {
			m.records = append(m.records, string(e.GetArgument().GetValue()))
			continue
		}
		var record struct{ Topic, Payload string }
		var answer bank.Answer
		if json.Unmarshal(e.GetArgument().GetValue(), &record) != nil || json.Unmarshal([]byte(record.Payload), &answer) != nil {
			m.t.Fatalf("not an answer: %q", e.GetArgument().GetValue())
		}
		m.answers = append(m.answers, answer)
	}
	for _, mutation := range result.GetStateMutations() {
		if m.states[self.GetId()] == nil {
			m.states[self.GetId()] = map[string]*reqreply.TypedValue{}
		}
		m.states[self.GetId()][mutation.GetStateName()] = mutation.GetStateValue()
	}
}

func TestDrawIsRepeatableAndCoversEverything(t *testing.T) {
	var hops, lates, slots int
	for number := range 200 {
		op := bank.Draw(1, 3, number)
		if op != bank.Draw(1, 3, number) {
			t.Fatalf("operation %d is drawn differently each time", number)
		}
		if slices.Contains([]string{op.Peer, op.HopTo, op.LateTo}, op.Account) {
			t.Errorf("operation %s sends to its own account", op.Name())
		}
		hops, lates = hops+op.Hops, lates+int(op.LateMillis)
		if op.Slot {
			slots++
		}
	}
	if hops == 0 || lates == 0 || slots == 0 {
		t.Errorf("200 operations with %d hops, %d ms of delay, %d slots", hops, lates, slots)
	}
}

func TestModuleFileIsValid(t *testing.T) {
	for _, endpoint := range []string{httpEndpoint, lambdaEndpoint, knativeEndpoint} {
		text := fmt.Sprintf(endpoint+restOfModule, "127.0.0.1:8000", 8090, 8091, "/tmp/a", "/tmp/b")
		if _, _, err := module.Parse(module.Options{Strict: true}, module.Source{Name: "module.yaml", Data: []byte(text)}); err != nil {
			t.Error(err)
		}
	}
}
