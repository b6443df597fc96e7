package compat

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stateway/stateway/test/harness"
)

// scenarios are what each SDK must be able to do through each system. They use Addresses and labels of their own, so that all run
// at the same time; those that take seconds come first.
var scenarios = []struct {
	name string
	run  func(*session, language)
}{
	{"a cancelled message never comes, its token may be used again", cancelled},
	{"states expire after a write and after an invocation", expiry3s},
	{"a counter counts every message once", counter},
	{"a repeated event counts once", repeatedEvent},
	{"states of every type are kept, read, overwritten and deleted", states},
	{"a default value is a value", defaults},
	{"messages of every type arrive as sent", messages},
	{"a message from an ingress has no caller, others have", callers},
	{"ids and texts are any UTF-8", unicode},
	{"two functions call each other in turn", cycles},
	{"messages of one pair arrive in order", order},
	{"delayed messages come later", delayed},
	{"records for egresses leave as sent", egresses},
	{"a function that fails is tried again and counts once", recovers},
	{"a poison message goes to the dead letters and others go on", poison},
}

func runScenarios(t *testing.T, l language, s system) {
	collect(t, s)
	t.Run("scenarios", func(t *testing.T) {
		for _, scenario := range scenarios {
			t.Run(scenario.name, func(t *testing.T) {
				t.Parallel()
				scenario.run(newSession(t, s), l)
			})
		}
	})
}

func counter(s *session, _ language) {
	for range 5 {
		s.put("compat/actor", "counter", "add 1")
	}
	s.put("compat/actor", "counter", lines("add 2", "add -1", "dump counter"))
	s.expectDump("counter", "count=6")
	s.put("compat/other", "counter", "dump counter-other")
	s.expectDump("counter-other", "")
}

func repeatedEvent(s *session, _ language) {
	for range 3 {
		s.event = "same"
		s.put("compat/actor", "repeated", "add 1")
	}
	s.event = "another"
	s.put("compat/actor", "repeated", "add 1")
	s.put("compat/actor", "repeated", "dump repeated")
	s.expectDump("repeated", "count=2")
}

func states(s *session, l language) {
	set := []string{"add 3", "set flag true", "set ratio 1.5", "set label word", "set profile Ann", "set blob abc", "log x", "log y"}
	want := "count=3 flag=true ratio=1.5 label=word profile=Ann:3 blob=abc log=x%2Cy"
	more := ""
	if l.has("long") {
		set = append(set, "set big -9007199254740993", "set precise 2.25")
		more = " big=-9007199254740993 precise=2.25"
	}
	s.put("compat/actor", "states", lines(set...))
	s.put("compat/actor", "states", "dump states-1")
	s.expectDump("states-1", want+more)
	s.put("compat/actor", "states", lines("delete flag", "delete ratio", "delete blob", "set profile Bob", "set label other", "delete log", "log z"))
	s.put("compat/actor", "states", "dump states-2")
	s.expectDump("states-2", "count=3 label=other profile=Bob:3 log=z"+more)
	s.put("compat/actor", "states", lines("delete count", "delete label", "delete profile", "delete log", "delete log"))
	s.put("compat/actor", "states", "dump states-3")
	s.expectDump("states-3", strings.TrimPrefix(more, " "))
}

func defaults(s *session, _ language) {
	s.put("compat/actor", "defaults", lines("add 0", "set flag false", "set ratio 0.5", "set label ", "set blob "))
	s.put("compat/actor", "defaults", "dump defaults")
	s.expectDump("defaults", "count=0 flag=false ratio=0.5 label= blob=")
}

func messages(s *session, l language) {
	values := []struct{ kind, value, want string }{
		{"bool", "true", "true"},
		{"bool", "false", "false"},
		{"int", "0", "0"},
		{"int", "-2147483648", "-2147483648"},
		{"float", "1.5", "1.5"},
		{"long", "9007199254740993", "9007199254740993"},
		{"double", "-2.25", "-2.25"},
		{"string", "", ""},
		{"string", "grün", "gr%C3%BCn"},
		{"profile", "Ann", "Ann:3"},
		{"blob", "abc", "abc"},
	}
	for i, v := range values {
		if l.has(v.kind) {
			s.put("compat/actor", "messages", line("typed", v.kind, v.value, fmt.Sprintf("typed-%d", i)))
		}
	}
	for i, v := range values {
		if l.has(v.kind) {
			s.expect(fmt.Sprintf("typed-%d %s %s", i, v.kind, v.want))
		}
	}
}

func callers(s *session, _ language) {
	s.put("compat/actor", "callers", lines(
		"caller callers-ingress",
		line("send", "compat/other", "called", "caller callers-other"),
		line("send", "compat/actor", "callers", "caller callers-self"),
		line("after", "10", "compat/other", "called", "caller callers-delayed"),
	))
	s.expect("callers-ingress caller=none")
	s.expect("callers-other caller=compat/actor/callers")
	s.expect("callers-self caller=compat/actor/callers")
	s.expect("callers-delayed caller=compat/actor/callers")
}

func unicode(s *session, _ language) {
	const id = "ü b?#%&+世界"
	s.put("compat/actor", id, lines(line("set", "label", "größer 世界\t\"\\ & +"), line("send", "compat/other", "unicode", "caller unicode-caller")))
	s.expect("unicode-caller caller=compat/actor/" + id)
	s.put("compat/actor", id, "dump unicode")
	words := strings.Split(s.await("unicode"), " ")
	if want := line("label=gr%C3%B6%C3%9Fer%20%E4%B8%96%E7%95%8C%09%22%5C%20%26%20%2B"); !slices.Contains(words, want) {
		s.t.Errorf("got %q, want among them %q", words, want)
	}
}

func cycles(s *session, _ language) {
	s.put("compat/actor", "ping", line("cycle", "cycled", "20", "compat/other", "pong"))
	s.expect("cycled done")
	s.put("compat/actor", "ping", "dump cycled-ping")
	s.put("compat/other", "pong", "dump cycled-pong")
	s.expectDump("cycled-ping", "count=10")
	s.expectDump("cycled-pong", "count=10")
}

func order(s *session, _ language) {
	var sends, logged []string
	for i := range 100 {
		entry := fmt.Sprint(i)
		sends = append(sends, line("send", "compat/other", "order", "log "+entry))
		logged = append(logged, entry)
	}
	s.put("compat/actor", "order", lines(append(sends, line("send", "compat/other", "order", "dump order"))...))
	s.expectDump("order", "log="+strings.Join(logged, "%2C"))
}

func delayed(s *session, _ language) {
	start := time.Now()
	s.put("compat/actor", "delayed", lines(
		line("after", "400", "compat/actor", "delayed", lines("log three", "dump delayed")),
		line("after", "200", "compat/actor", "delayed", "log two"),
		line("after", "0", "compat/actor", "delayed", "log one"),
		"log zero",
	))
	s.expectDump("delayed", "log=zero%2Cone%2Ctwo%2Cthree")
	if took := time.Since(start); took < 400*time.Millisecond {
		s.t.Errorf("a message delayed by 400 ms came after %s", took)
	}
}

// cancelled leaves more time for the cancellation to arrive than a busy machine needs, and looks once more when that time is over.
func cancelled(s *session, _ language) {
	const late = 4 * time.Second
	start := time.Now()
	s.put("compat/actor", "cancelled", lines(
		line("after-token", fmt.Sprint(late.Milliseconds()), "token", "compat/actor", "cancelled", "log never"),
		line("after-token", "100", "own", "compat/actor", "cancelled", "log never"), "cancel own",
		"cancel unknown", "log one",
	))
	s.put("compat/actor", "cancelled", "cancel token")
	if time.Since(start) > late {
		s.t.Fatalf("this machine is too slow for this test: two messages took %s", time.Since(start))
	}
	s.put("compat/actor", "cancelled", line("after-token", "50", "token", "compat/actor", "cancelled", lines("log two", "dump cancelled-1")))
	s.expectDump("cancelled-1", "log=one%2Ctwo")
	time.Sleep(time.Until(start.Add(late + 300*time.Millisecond)))
	s.put("compat/actor", "cancelled", lines(line("after-token", "0", "token", "compat/actor", "cancelled", "dump cancelled-2")))
	s.expectDump("cancelled-2", "log=one%2Ctwo")
}

// expiry3s looks at states that live for 3 s. A machine that stalls between two looks proves nothing: then it starts again with another Address.
func expiry3s(s *session, _ language) {
	for attempt := range 5 {
		if expiryAttempt(s, fmt.Sprintf("expiry-%d", attempt)) {
			return
		}
	}
	s.t.Fatal("this machine is too slow for this test")
}

func expiryAttempt(s *session, id string) (conclusive bool) {
	const lifetime = 3 * time.Second
	look := func(n int) (label string, from, to time.Time) {
		label = fmt.Sprintf("%s-%d", id, n)
		from = time.Now()
		s.put("compat/actor", id, "dump "+label)
		s.await(label)
		return label, from, time.Now()
	}
	from := time.Now()
	label := id + "-0"
	s.put("compat/actor", id, lines("set written x", "set invoked y", "set label z", "dump "+label))
	s.expectDump(label, "label=z written=x invoked=y")
	written := time.Now()

	time.Sleep(time.Until(from.Add(1800 * time.Millisecond)))
	label, _, to := look(1)
	if to.After(from.Add(lifetime)) {
		return false
	}
	s.expectDump(label, "label=z written=x invoked=y")
	touched := to

	time.Sleep(time.Until(written.Add(lifetime + 200*time.Millisecond)))
	label, _, to = look(2)
	if to.After(touched.Add(lifetime - 300*time.Millisecond)) {
		return false
	}
	s.expectDump(label, "label=z invoked=y")

	time.Sleep(time.Until(to.Add(lifetime + 200*time.Millisecond)))
	label, _, _ = look(3)
	s.expectDump(label, "label=z")
	return true
}

func egresses(s *session, _ language) {
	s.put("compat/actor", "egresses", lines(
		line("kafka", "topic-a", "key", "value with ü"),
		line("kinesis", "stream-b", "partition", "payload", "12345"),
		line("value", "int", "7"), line("value", "string", "text"),
		line("emit", "more", "first"), line("emit", "more", "second \"quoted\"\nline ü"), line("emit", "more", ""),
	))
	want := []harness.FileRecord{
		{Topic: "topic-a", Key: "key", Value: "value with ü"},
		{Stream: "stream-b", Key: "partition", ExplicitHashKey: "12345", Value: "payload"},
		{Type: "io.statefun.types/int", Value: "7"},
		{Type: "io.statefun.types/string", Value: "text"},
	}
	var got []harness.FileRecord
	harness.Eventually(s.t, patience, func() bool {
		var err error
		if got, err = s.system.records(); err != nil {
			s.t.Fatal(err)
		}
		return len(got) >= len(want)
	}, func() string { return fmt.Sprintf("%d records, want %d", len(got), len(want)) })
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(harness.FileRecord{}, "ID")); diff != "" {
		s.t.Errorf("records (-want +got):\n%s", diff)
	}
	for _, payload := range []string{"first", "second \"quoted\"\nline ü", ""} {
		s.expectTaken("more", payload)
	}
}

// expectTaken waits for the next record of a playground topic.
func (s *session) expectTaken(topic, want string) {
	s.t.Helper()
	var got string
	harness.Eventually(s.t, patience, func() bool {
		payload, ok, err := s.system.take(s.t.Context(), topic)
		if err != nil {
			s.t.Fatal(err)
		}
		got = payload
		return ok
	}, func() string { return "nothing in topic " + topic })
	if got != want {
		s.t.Errorf("topic %s: got %q, want %q", topic, got, want)
	}
}

func recovers(s *session, _ language) {
	s.put("compat/actor", "recovers", lines(
		"add 1", line("send", "compat/other", "recovered", "add 1"), line("fail", fmt.Sprintf("recovers-%d", time.Now().UnixNano()), "3"), "add 1",
	))
	s.put("compat/actor", "recovers", lines("dump recovers", line("send", "compat/other", "recovered", "dump recovered")))
	s.expectDump("recovers", "count=2")
	s.expectDump("recovered", "count=1")
}

func poison(s *session, _ language) {
	s.put("compat/poison", "poisoned", "add 1")
	s.put("compat/poison", "poisoned", lines("add 100", "fail poison 1000000"))
	s.put("compat/poison", "healthy", lines("add 5", "dump healthy"))
	s.put("compat/poison", "poisoned", lines("add 1", "dump poisoned"))
	s.expectDump("healthy", "count=5")
	s.expectDump("poisoned", "count=2")
	var letters []string
	harness.Eventually(s.t, patience, func() bool {
		var err error
		if letters, err = s.system.deadLetters(); err != nil {
			s.t.Fatal(err)
		}
		return len(letters) > 0
	}, func() string { return "no dead letter" })
	if len(letters) != 1 || !strings.Contains(letters[0], "poisoned") {
		s.t.Errorf("dead letters %q, want one that names poisoned", letters)
	}
}
