package module

import "testing"

func TestRegionOfKinesis(t *testing.T) {
	const stream = "arn:aws:kinesis:eu-west-1:123456789012:stream/s"
	in := func(keys, name string) string {
		return "kind: io.statefun.kinesis.v1/ingress\nspec: {id: a/in, " + keys + "streams: [{stream: '" + name + "', valueType: v, targets: [a/x]}]}"
	}
	out := func(keys string) string {
		return "kind: io.statefun.kinesis.v1/egress\nspec: {id: a/out, " + keys + "}"
	}
	cases := []struct{ name, in, out, want string }{
		{"none", in("", "s"), out(""), ""},
		{"of the ARN", in("", stream), out("stream: '" + stream + "'"), "eu-west-1"},
		{"given", in("awsRegion: {type: specific, id: us-east-1}, ", "s"), out("awsRegion: {type: specific, id: us-east-1}"), "us-east-1"},
	}
	for _, c := range cases {
		app := parse(t, Options{}, endpoint("a/*"), c.in, c.out)
		if got := app.Ingresses[0].Spec.(*KinesisIngress).RegionID(); got != c.want {
			t.Errorf("%s: ingress in %q, want %q", c.name, got, c.want)
		}
		if got := app.Egresses[0].Spec.(*KinesisEgress).RegionID(); got != c.want {
			t.Errorf("%s: egress in %q, want %q", c.name, got, c.want)
		}
	}
}
