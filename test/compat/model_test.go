package compat

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/stateway/stateway/protocol/egress"
	"github.com/stateway/stateway/protocol/reqreply"
	"github.com/stateway/stateway/test/harness"
)

// model is what the runtime does, in memory and without durability: the rules of the protocol and nothing else. It is there to
// show that the functions and the scenarios are right.
type model struct {
	url string

	mu      sync.Mutex
	actors  map[address]*actor                                              // guarded by mu
	specs   map[string]map[string]*reqreply.FromFunction_PersistedValueSpec // guarded by mu: by function type and state
	timers  map[timerKey]*time.Timer                                        // guarded by mu
	events  map[string]bool                                                 // guarded by mu
	topics  map[string][]string                                             // guarded by mu
	out     []harness.FileRecord                                            // guarded by mu
	dead    []string                                                        // guarded by mu
	problem error                                                           // guarded by mu: what no runtime would let pass
	ended   bool                                                            // guarded by mu

	running sync.WaitGroup
}

type address struct{ function, id string }

func (a address) proto() *reqreply.Address {
	namespace, name := a.function[:len("compat")], a.function[len("compat/"):]
	return &reqreply.Address{Namespace: namespace, Type: name, Id: a.id}
}

func addressOf(a *reqreply.Address) address {
	return address{a.GetNamespace() + "/" + a.GetType(), a.GetId()}
}

type timerKey struct {
	sender address
	token  string
}

// actor is one Address.
type actor struct {
	busy   bool
	queue  []*reqreply.ToFunction_Invocation
	states map[string]value
}

type value struct {
	typed   *reqreply.TypedValue
	expires time.Time // zero means never
}

func newModel(t *testing.T, url string) *model {
	m := &model{
		url: url, actors: map[address]*actor{}, specs: map[string]map[string]*reqreply.FromFunction_PersistedValueSpec{},
		timers: map[timerKey]*time.Timer{}, events: map[string]bool{}, topics: map[string][]string{},
	}
	t.Cleanup(func() {
		m.mu.Lock()
		m.ended = true
		m.mu.Unlock()
		m.running.Wait()
		if m.problem != nil {
			t.Errorf("the functions broke a rule of the protocol: %v", m.problem)
		}
	})
	return m
}

func (m *model) put(_ context.Context, function, id, command, event string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if event != "" && m.events[event] {
		return nil
	}
	m.events[event] = true
	argument := &reqreply.TypedValue{Typename: "compat/Command", HasValue: true, Value: []byte(command)}
	m.sendLocked(address{function, id}, &reqreply.ToFunction_Invocation{Argument: argument})
	return nil
}

func (m *model) take(_ context.Context, topic string) (string, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.problem != nil {
		return "", false, m.problem
	}
	queue := m.topics[topic]
	if len(queue) == 0 {
		return "", false, nil
	}
	m.topics[topic] = queue[1:]
	return queue[0], true, nil
}

func (m *model) records() ([]harness.FileRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]harness.FileRecord(nil), m.out...), nil
}

func (m *model) deadLetters() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.dead...), nil
}

func (m *model) sendLocked(to address, message *reqreply.ToFunction_Invocation) {
	if m.ended {
		return
	}
	a := m.actors[to]
	if a == nil {
		a = &actor{states: map[string]value{}}
		m.actors[to] = a
	}
	a.queue = append(a.queue, message)
	if a.busy {
		return
	}
	a.busy = true
	m.running.Go(func() { m.serve(to, a) })
}

// serve runs batches of one Address until none waits.
func (m *model) serve(at address, a *actor) {
	size, failures := 1000, 0
	for {
		m.mu.Lock()
		batch := a.queue[:min(size, len(a.queue))]
		if len(batch) == 0 || m.ended {
			a.busy = false
			m.mu.Unlock()
			return
		}
		request := m.requestLocked(at, a, batch)
		m.mu.Unlock()

		answer, err := post(m.url, request)
		m.mu.Lock()
		switch {
		case err == nil && answer.GetIncompleteInvocationContext() != nil:
			m.learnLocked(at.function, answer.GetIncompleteInvocationContext().GetMissingValues())
		case err == nil:
			a.queue = a.queue[len(batch):]
			m.applyLocked(at, a, answer.GetInvocationResult())
			size, failures = 1000, 0
		case len(batch) > 1:
			size = 1
		default:
			failures++
			if at.function == "compat/poison" && failures == 3 {
				m.dead = append(m.dead, fmt.Sprintf("%s: %v", at.id, err))
				a.queue, failures = a.queue[1:], 0
			}
		}
		m.mu.Unlock()
		if err != nil {
			time.Sleep(5 * time.Millisecond)
		}
	}
}

func (m *model) requestLocked(at address, a *actor, batch []*reqreply.ToFunction_Invocation) *reqreply.ToFunction {
	request := &reqreply.ToFunction_InvocationBatchRequest{Target: at.proto(), Invocations: batch}
	for name, spec := range m.specs[at.function] {
		v, ok := a.states[name]
		if ok && !v.expires.IsZero() && !time.Now().Before(v.expires) {
			delete(a.states, name)
			ok = false
		}
		state := &reqreply.ToFunction_PersistedValue{StateName: name}
		if ok {
			state.StateValue = v.typed
			if spec.GetExpirationSpec().GetMode() == reqreply.FromFunction_ExpirationSpec_AFTER_INVOKE {
				a.states[name] = value{v.typed, expiry(spec)}
			}
		}
		request.State = append(request.State, state)
	}
	return &reqreply.ToFunction{Request: &reqreply.ToFunction_Invocation_{Invocation: request}}
}

func expiry(spec *reqreply.FromFunction_PersistedValueSpec) time.Time {
	if spec.GetExpirationSpec().GetMode() == reqreply.FromFunction_ExpirationSpec_NONE {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(spec.GetExpirationSpec().GetExpireAfterMillis()) * time.Millisecond)
}

func (m *model) learnLocked(function string, missing []*reqreply.FromFunction_PersistedValueSpec) {
	if m.specs[function] == nil {
		m.specs[function] = map[string]*reqreply.FromFunction_PersistedValueSpec{}
	}
	for _, spec := range missing {
		m.specs[function][spec.GetStateName()] = spec
	}
}

// applyLocked applies what a batch led to, in the protocol's order.
func (m *model) applyLocked(at address, a *actor, result *reqreply.FromFunction_InvocationResponse) {
	for _, out := range result.GetOutgoingMessages() {
		m.sendLocked(addressOf(out.GetTarget()), &reqreply.ToFunction_Invocation{Caller: at.proto(), Argument: out.GetArgument()})
	}
	for _, d := range result.GetDelayedInvocations() {
		m.delayLocked(at, d)
	}
	for _, e := range result.GetOutgoingEgresses() {
		m.emitLocked(e)
	}
	for _, mutation := range result.GetStateMutations() {
		name := mutation.GetStateName()
		spec := m.specs[at.function][name]
		switch {
		case spec == nil:
			m.problem = fmt.Errorf("%v mutates the unknown state %s", at, name)
		case mutation.GetMutationType() == reqreply.FromFunction_PersistedValueMutation_DELETE:
			delete(a.states, name)
		case mutation.GetStateValue().GetTypename() != spec.GetTypeTypename():
			m.problem = fmt.Errorf("%v writes %s into the state %s of type %s", at, mutation.GetStateValue().GetTypename(), name, spec.GetTypeTypename())
		default:
			a.states[name] = value{mutation.GetStateValue(), expiry(spec)}
		}
	}
}

func (m *model) delayLocked(at address, d *reqreply.FromFunction_DelayedInvocation) {
	key := timerKey{at, d.GetCancellationToken()}
	if d.GetIsCancellationRequest() {
		if timer := m.timers[key]; timer != nil {
			timer.Stop()
			delete(m.timers, key)
		}
		return
	}
	message := &reqreply.ToFunction_Invocation{Caller: at.proto(), Argument: d.GetArgument()}
	var timer *time.Timer
	timer = time.AfterFunc(time.Duration(d.GetDelayInMs())*time.Millisecond, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if key.token != "" && m.timers[key] != timer {
			return // cancelled in the moment of firing
		}
		delete(m.timers, key)
		m.sendLocked(addressOf(d.GetTarget()), message)
	})
	if key.token == "" {
		return
	}
	if m.timers[key] != nil {
		m.problem = fmt.Errorf("%v used the live token %s again", at, key.token)
	}
	m.timers[key] = timer
}

func (m *model) emitLocked(e *reqreply.FromFunction_EgressMessage) {
	argument := e.GetArgument()
	switch id := e.GetEgressNamespace() + "/" + e.GetEgressType(); {
	case id == "io.statefun.playground/egress" && argument.GetTypename() == "io.statefun.playground/EgressRecord":
		var record struct{ Topic, Payload string }
		if err := json.Unmarshal(argument.GetValue(), &record); err != nil {
			m.problem = fmt.Errorf("playground record %q: %w", argument.GetValue(), err)
		}
		m.topics[record.Topic] = append(m.topics[record.Topic], record.Payload)
	case id == "compat/records":
		record, err := fileRecord(argument)
		if err != nil {
			m.problem = err
		}
		m.out = append(m.out, record)
	default:
		m.problem = fmt.Errorf("record of type %s for egress %s", argument.GetTypename(), id)
	}
}

// fileRecord is how the file egress writes a record down.
func fileRecord(argument *reqreply.TypedValue) (harness.FileRecord, error) {
	switch argument.GetTypename() {
	case "type.googleapis.com/io.statefun.sdk.egress.KafkaProducerRecord":
		var r egress.KafkaProducerRecord
		err := proto.Unmarshal(argument.GetValue(), &r)
		return harness.FileRecord{Topic: r.GetTopic(), Key: r.GetKey(), Value: string(r.GetValueBytes())}, err
	case "type.googleapis.com/io.statefun.sdk.egress.KinesisEgressRecord":
		var r egress.KinesisEgressRecord
		err := proto.Unmarshal(argument.GetValue(), &r)
		return harness.FileRecord{
			Stream: r.GetStream(), Key: r.GetPartitionKey(), ExplicitHashKey: r.GetExplicitHashKey(), Value: string(r.GetValueBytes()),
		}, err
	}
	return typedRecord(argument.GetTypename(), argument.GetValue()), nil
}

// post sends one request to a function server.
func post(url string, request *reqreply.ToFunction) (*reqreply.FromFunction, error) {
	body, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	resp, err := http.Post(url, "application/octet-stream", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("status %s: %s", resp.Status, body)
	}
	if kind := resp.Header.Get("Content-Type"); kind != "application/octet-stream" {
		return nil, fmt.Errorf("content type %q", kind)
	}
	answer := new(reqreply.FromFunction)
	return answer, proto.Unmarshal(body, answer)
}
