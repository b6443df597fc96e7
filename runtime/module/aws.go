package module

import (
	"net/url"
	"regexp"
	"time"
)

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
	// Kind is never CredentialsAssumeRole: a role is taken on with credentials of one of the other kinds.
	Kind CredentialsKind
	// AccessKeyID, SecretAccessKey and, for temporary keys, SessionToken are given with CredentialsBasic.
	AccessKeyID     string `json:",omitzero"`
	SecretAccessKey Secret `json:",omitzero"`
	SessionToken    Secret `json:",omitzero"`
	// ProfileName, and if not the usual file ProfilePath, are given with CredentialsProfile.
	ProfileName string `json:",omitzero"`
	ProfilePath string `json:",omitzero"`
	// Role is taken on with these credentials; the zero value is none.
	Role AWSRole `json:",omitzero"`
}

// AWSRole is an IAM role to take on.
type AWSRole struct {
	ARN         string
	ExternalID  string        `json:",omitzero"` // what the role's owner asks for
	SessionName string        `json:",omitzero"` // empty: "stateway"
	Duration    time.Duration `json:",omitzero"` // of a session; zero: an hour
}

// CredentialsKind names the way credentials are found.
type CredentialsKind string

// The kinds of awsCredentials.
const (
	CredentialsDefault    CredentialsKind = "default" // the chain of the AWS SDK
	CredentialsBasic      CredentialsKind = "basic"
	CredentialsProfile    CredentialsKind = "profile"
	CredentialsAssumeRole CredentialsKind = "assume-role" // in files only: see AWSCredentials.Role
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
	return l.credentialsOf(spec, "awsCredentials", CredentialsDefault, CredentialsBasic, CredentialsProfile, CredentialsAssumeRole)
}

// credentialsOf reads the credentials under key, of one of the allowed kinds.
func (l *loader) credentialsOf(spec *object, key string, allowed ...CredentialsKind) AWSCredentials {
	c := AWSCredentials{Kind: CredentialsDefault}
	o, typ, ok := spec.variant(key, "")
	if !ok {
		return c
	}
	names := make([]string, len(allowed))
	for i, k := range allowed {
		names[i] = string(k)
	}
	kind, n := l.scalar(typ, key+".type")
	if n == nil || !l.oneOf(n, key+".type", kind, names...) {
		return c
	}
	c.Kind = CredentialsKind(kind)
	switch c.Kind {
	case CredentialsBasic:
		c.AccessKeyID, _ = o.requiredText("accessKeyId", "write accessKeyId: and the key's id, for example ${AWS_ACCESS_KEY_ID}")
		secret, _ := o.requiredText("secretAccessKey", "write secretAccessKey: ${NAME} and set that variable")
		c.SecretAccessKey, c.SessionToken = Secret(secret), Secret(o.text("sessionToken", ""))
	case CredentialsProfile:
		c.ProfileName, _ = o.requiredText("profileName", "write profileName: and the profile's name")
		c.ProfilePath = o.text("profilePath", "")
	case CredentialsAssumeRole:
		c = l.assumeRole(o)
	case CredentialsDefault:
	}
	o.done()
	return c
}

var (
	roleARN     = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/\S+$`)
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
)

const (
	minSession = 15 * time.Minute
	maxSession = 12 * time.Hour
)

// assumeRole reads a role, and with source the credentials to take it on with.
func (l *loader) assumeRole(o *object) AWSCredentials {
	c := l.credentialsOf(o, "source", CredentialsDefault, CredentialsBasic, CredentialsProfile)
	r := &c.Role
	const hint = "write roleArn: arn:aws:iam::123456789012:role/name"
	arn, n := o.requiredText("roleArn", hint)
	if r.ARN = arn; n != nil && !roleARN.MatchString(arn) {
		l.errorf(n.at, hint, "roleArn %q is not the ARN of an IAM role", arn)
	}
	r.ExternalID = o.text("externalId", "")
	if s, n := o.scalar("sessionName"); n != nil {
		if r.SessionName = s; !sessionName.MatchString(s) {
			l.errorf(n.at, "write 2 to 64 letters, digits and _+=,.@-", "sessionName %q cannot be the name of a session", s)
		}
	}
	if d, n := o.readDuration("duration"); n != nil {
		if r.Duration = d; d < minSession || d > maxSession {
			l.errorf(n.at, "write a duration from 15min to 12h", "duration %s is not one that AWS allows", d)
		}
	}
	return c
}
