package module

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"
)

// Lambda is where functions on AWS Lambda are.
type Lambda struct {
	// Function says which one is invoked.
	Function LambdaFunction
	// Region and Credentials are those of the service.
	Region      AWSRegion
	Credentials AWSCredentials
	// RequestMaxBytes and ResponseMaxBytes are the longest payload and answer; at most 6 MiB, the default.
	RequestMaxBytes, ResponseMaxBytes int
	// Connections are limits of the HTTP client.
	Connections AWSConnections `json:",omitzero"`
}

// RegionID is the region that the file names, by awsRegion or by the function's ARN; empty if it names none.
func (l *Lambda) RegionID() string { return cmp.Or(l.Region.ID, l.Function.region()) }

// LambdaFunction is the text of function, checked: a name, a partial ARN or an ARN, each with or without a qualifier (an
// alias or a version). {function.name} stands for the name part of the function type, anywhere in the text.
type LambdaFunction struct {
	text string
}

var lambdaFunction = regexp.MustCompile(
	`^(?:(?:arn:aws[a-z-]*:lambda:([a-z0-9-]+):)?\d{12}:function:)?([a-zA-Z0-9_-]{1,64})(?::(\$LATEST|[a-zA-Z0-9_-]{1,128}))?$`)

// String gives the text as written.
func (f LambdaFunction) String() string { return f.text }

// MarshalJSON writes the text.
func (f LambdaFunction) MarshalJSON() ([]byte, error) { return json.Marshal(f.text) }

// PerFunction reports whether the Lambda function depends on the function's name.
func (f LambdaFunction) PerFunction() bool { return strings.Contains(f.text, namePlaceholder) }

// Resolve gives the Lambda function for a function of that name, and its qualifier, empty if none. It fails if the name
// makes nothing that AWS would take, which for a wildcard endpoint shows only here.
func (f LambdaFunction) Resolve(functionName string) (function, qualifier string, err error) {
	text := strings.ReplaceAll(f.text, namePlaceholder, functionName)
	if f.PerFunction() && strings.ContainsAny(functionName, ":$") { // it comes with messages, and chooses no account, region or version
		return "", "", fmt.Errorf("%q: a function's name in it holds neither : nor $", text)
	}
	m := lambdaFunction.FindStringSubmatchIndex(text)
	if m == nil {
		return "", "", fmt.Errorf("%q is neither the name nor the ARN of a Lambda function", text)
	}
	if m[6] < 0 {
		return text, "", nil
	}
	return text[:m[6]-1], text[m[6]:m[7]], nil
}

// region is the one in the ARN; empty if there is no whole ARN.
func (f LambdaFunction) region() string {
	m := lambdaFunction.FindStringSubmatch(strings.ReplaceAll(f.text, namePlaceholder, "function"))
	if m == nil {
		return ""
	}
	return m[1]
}

const (
	maxLambdaPayload   = 6 << 20
	minLambdaPayload   = 1 << 10
	defaultLambdaRamp  = 1000
	defaultLambdaConns = 10 * time.Second
	lambdaFunctionHint = "write a function's name or ARN, with :alias or :version behind it if wanted"
)

// lambdaTransport is of which only Call counts: what a Lambda function may take in all its tries.
func lambdaTransport() Transport { return Transport{Call: asyncTransport().Call} }

// lambda reads an endpoint of functions on AWS Lambda.
func (l *loader) lambda(kind string, spec *object) {
	e := Endpoint{Kind: kind, At: spec.node.at, Transport: lambdaTransport()}
	e.Transport.Call = spec.positive("call", e.Transport.Call)
	e.Lambda.Region, e.Lambda.Credentials = l.region(spec), l.credentials(spec)
	e.Lambda.RequestMaxBytes = int(spec.integer("requestMaxBytes", maxLambdaPayload, minLambdaPayload, maxLambdaPayload))
	e.Lambda.ResponseMaxBytes = int(spec.integer("responseMaxBytes", maxLambdaPayload, minLambdaPayload, maxLambdaPayload))
	e.Group = l.group(spec, Group{
		MaxItems: defaultGroupItems, MaxBytes: e.Lambda.RequestMaxBytes, Concurrency: defaultConcurrent, Target: defaultTarget,
		Ramp: defaultLambdaRamp, RampEvery: defaultRampEvery,
	}, e.Lambda.RequestMaxBytes)
	e.Lambda.Connections = AWSConnections{
		Max:     int(spec.integer("maxConnections", int64(e.Group.Concurrency), 1, math.MaxInt32)),
		Connect: spec.positive("connect", defaultLambdaConns),
	}
	if s, n := spec.requiredText("function", lambdaFunctionHint); n != nil {
		e.Lambda.Function = LambdaFunction{text: s}
		l.checkLambda(n, &e.Lambda)
	}
	l.functions(e, spec)
}

// checkLambda looks whether the text can be a function's, and in the region that is named.
func (l *loader) checkLambda(n *node, f *Lambda) {
	plain := strings.ReplaceAll(f.Function.text, namePlaceholder, "")
	if i := strings.IndexByte(plain, '{'); i >= 0 {
		word, _, _ := strings.Cut(plain[i:], "}")
		l.errorf(n.at, "the only placeholder is "+namePlaceholder, "function: %s} is no placeholder", word)
		return
	}
	if _, _, err := f.Function.Resolve("function"); err != nil {
		l.errorf(n.at, lambdaFunctionHint, "function: %v", err)
		return
	}
	if here := f.Function.region(); here != "" && f.Region.ID != "" && here != f.Region.ID {
		l.errorf(n.at, "correct one of them", "the function is in %s, and awsRegion says %s", here, f.Region.ID)
	}
}
