package module

import "net/url"

// AWSRegion says where an AWS service is.
type AWSRegion struct {
	Kind RegionKind
	// ID is the region's name; empty with RegionDefault.
	ID string `json:",omitzero"`
	// Endpoint is a URL with RegionCustomEndpoint. http is allowed, which StateFun refuses.
	Endpoint string `json:",omitzero"`
}

// RegionKind names the way a region is found.
type RegionKind string

// The kinds of awsRegion.
const (
	RegionDefault        RegionKind = "default" // environment, profile or instance decide
	RegionSpecific       RegionKind = "specific"
	RegionCustomEndpoint RegionKind = "custom-endpoint"
)

// AWSCredentials say who the node is to AWS.
type AWSCredentials struct {
	Kind CredentialsKind
	// AccessKeyID and SecretAccessKey are given with CredentialsBasic.
	AccessKeyID     string `json:",omitzero"`
	SecretAccessKey Secret `json:",omitzero"`
	// ProfileName, and if not the usual file ProfilePath, are given with CredentialsProfile.
	ProfileName string `json:",omitzero"`
	ProfilePath string `json:",omitzero"`
}

// CredentialsKind names the way credentials are found.
type CredentialsKind string

// The kinds of awsCredentials.
const (
	CredentialsDefault CredentialsKind = "default" // the chain of the AWS SDK
	CredentialsBasic   CredentialsKind = "basic"
	CredentialsProfile CredentialsKind = "profile"
)

// Secret is a text that shows up neither in logs nor in JSON nor in a fingerprint.
type Secret string

// String hides the text.
func (Secret) String() string { return "***" }

// GoString hides the text from %#v.
func (Secret) GoString() string { return "***" }

// MarshalText hides the text.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Reveal gives the text.
func (s Secret) Reveal() string { return string(s) }

func (l *loader) region(spec *object) AWSRegion {
	fallback := AWSRegion{Kind: RegionDefault}
	o, typ, ok := spec.variant("awsRegion", "")
	if !ok {
		return fallback
	}
	kind, n := l.scalar(typ, "awsRegion.type")
	if n == nil || !l.oneOf(n, "awsRegion.type", kind,
		string(RegionDefault), string(RegionSpecific), string(RegionCustomEndpoint)) {
		return fallback
	}
	r := AWSRegion{Kind: RegionKind(kind)}
	if r.Kind != RegionDefault {
		r.ID, _ = o.requiredText("id", "write id: and the region, such as eu-central-1")
	}
	if r.Kind == RegionCustomEndpoint {
		endpoint, n := o.requiredText("endpoint", "write endpoint: https://host:port")
		r.Endpoint = endpoint
		if u, err := url.Parse(endpoint); n != nil && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
			l.errorf(n.at, "write https://host:port", "endpoint %q is not an http or https URL", endpoint)
		}
	}
	o.done()
	return r
}

func (l *loader) credentials(spec *object) AWSCredentials {
	fallback := AWSCredentials{Kind: CredentialsDefault}
	o, typ, ok := spec.variant("awsCredentials", "")
	if !ok {
		return fallback
	}
	kind, n := l.scalar(typ, "awsCredentials.type")
	if n == nil || !l.oneOf(n, "awsCredentials.type", kind,
		string(CredentialsDefault), string(CredentialsBasic), string(CredentialsProfile)) {
		return fallback
	}
	c := AWSCredentials{Kind: CredentialsKind(kind)}
	switch c.Kind {
	case CredentialsBasic:
		c.AccessKeyID, _ = o.requiredText("accessKeyId", "write accessKeyId: and the key's id, for example ${AWS_ACCESS_KEY_ID}")
		secret, _ := o.requiredText("secretAccessKey", "write secretAccessKey: ${NAME} and set that variable")
		c.SecretAccessKey = Secret(secret)
	case CredentialsProfile:
		c.ProfileName, _ = o.requiredText("profileName", "write profileName: and the profile's name")
		c.ProfilePath = o.text("profilePath", "")
	case CredentialsDefault:
	}
	o.done()
	return c
}
