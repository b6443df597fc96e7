package module

import (
	"fmt"
	"strings"
	"testing"
)

func parse(t *testing.T, opts Options, docs ...string) *Application {
	t.Helper()
	app, _, err := Parse(opts, Source{"f.yaml", []byte(strings.Join(docs, "\n---\n"))})
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func endpoint(functions string) string {
	return "kind: io.statefun.endpoints.v2/http\nspec: {functions: " + functions + ", urlPathTemplate: 'http://h'}"
}

const (
	playgroundIn = "kind: io.statefun.playground.v1/ingress\nspec: {port: 1}"
	discard      = "kind: io.stateway.discard.v1/egress\nspec: {id: z/out}"
	kinesisOut   = "kind: io.statefun.kinesis.v1/egress\nspec: {id: a/out, awsCredentials: {type: basic, accessKeyId: a, secretAccessKey: %s}}"
)

func TestSpecificFunctionsBeatWildcards(t *testing.T) {
	app := parse(t, Options{Functions: []string{"mine/*"}}, endpoint("a/*"), endpoint("a/b"), endpoint("mine/served"), playgroundIn)
	for name, want := range map[string]string{
		"a/b": "a/b", "a/c": "a/*", "mine/served": "mine/served", "mine/x": "mine/*", "b/b": "", "a/*": "a/*",
	} {
		n, err := ParseTypeName(name)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if i, ok := app.EndpointFor(n); ok {
			got = app.Endpoints[i].Functions.String()
		}
		if got != want {
			t.Errorf("%s is served by %q, want %q", name, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { app.EndpointFor(TypeName{"a", "c"}) }); n != 0 {
		t.Errorf("EndpointFor allocates %v times", n)
	}
}

func TestListsAreSorted(t *testing.T) {
	app := parse(t, Options{}, endpoint("b/*"), endpoint("a/b"), discard, playgroundIn, strings.Replace(discard, "z/out", "a/out", 1))
	got := fmt.Sprint(app.Functions(), app.IngressIDs(), app.EgressIDs())
	if want := "[a/b b/*] [io.statefun.playground/ingress] [a/out z/out]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if e, ok := app.EgressFor(TypeName{"z", "out"}); !ok || e.Kind != KindDiscard {
		t.Errorf("EgressFor gave %+v", e)
	}
	if _, ok := app.EgressFor(TypeName{"z", "in"}); ok {
		t.Error("there is no egress z/in")
	}
	if in, ok := app.IngressFor(playgroundIngressID); !ok || in.Kind != KindPlaygroundIngress {
		t.Errorf("IngressFor gave %+v", in)
	}
}

func TestFingerprint(t *testing.T) {
	secret := fmt.Sprintf(kinesisOut, "one")
	base := parse(t, Options{}, endpoint("a/*"), playgroundIn, secret).Fingerprint()
	if len(base) != 64 {
		t.Errorf("fingerprint %q", base)
	}
	same := map[string]*Application{
		"order":    parse(t, Options{}, secret, playgroundIn, endpoint("a/*")),
		"comments": parse(t, Options{}, "# x\n"+endpoint("a/*/"), playgroundIn, "", secret),
		"default":  parse(t, Options{}, endpoint("a/*, transport: {call: 120s}"), playgroundIn, secret),
		"secret":   parse(t, Options{}, endpoint("a/*"), playgroundIn, fmt.Sprintf(kinesisOut, "two")),
	}
	for name, app := range same {
		if got := app.Fingerprint(); got != base {
			t.Errorf("%s changes the fingerprint", name)
		}
	}
	other := map[string]*Application{
		"function": parse(t, Options{}, endpoint("a/b"), playgroundIn, secret),
		"call":     parse(t, Options{}, endpoint("a/*, transport: {call: 121s}"), playgroundIn, secret),
		"port":     parse(t, Options{}, endpoint("a/*"), strings.Replace(playgroundIn, "1}", "2}", 1), secret),
		"egress":   parse(t, Options{}, endpoint("a/*"), playgroundIn, secret, discard),
		"embedded": parse(t, Options{Functions: []string{"b/c"}}, endpoint("a/*"), playgroundIn, secret),
	}
	for name, app := range other {
		if got := app.Fingerprint(); got == base {
			t.Errorf("%s does not change the fingerprint", name)
		}
	}
}

func TestKindsWithoutDriverSaySo(t *testing.T) {
	app := parse(t, Options{}, endpoint("a/*"), playgroundIn, discard, fmt.Sprintf(kinesisOut, "x"),
		"kind: io.statefun.kafka.v1/egress\nspec: {id: a/kafka, address: 'k:1'}",
		"kind: io.statefun.kafka.v1/ingress\nspec: {id: a/in, address: 'k:1', consumerGroupId: g, topics: [{topic: t, valueType: v, targets: [a/x]}]}")
	got := app.NoDriver()
	if len(got) != 2 || !strings.HasPrefix(got[0], "ingress a/in is of kind io.statefun.kafka.v1/ingress") ||
		!strings.HasPrefix(got[1], "egress a/kafka is of kind io.statefun.kafka.v1/egress") {
		t.Errorf("got %q", got)
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	app := parse(t, Options{}, endpoint("a/*"), playgroundIn, fmt.Sprintf(kinesisOut, "hush"))
	spec, ok := app.Egresses[0].Spec.(*KinesisEgress)
	if !ok || spec.Credentials.SecretAccessKey.Reveal() != "hush" {
		t.Fatalf("%+v", app.Egresses[0].Spec)
	}
	if s := fmt.Sprintf("%v %+v %#v", *spec, *spec, *spec); strings.Contains(s, "hush") {
		t.Errorf("the secret shows in %s", s)
	}
}
