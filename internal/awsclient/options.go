package awsclient

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Options say how a service of AWS is reached. The zero value is what the environment says.
type Options struct {
	// Region such as eu-central-1. Empty means AWS_REGION, then the profile's region, then the instance's.
	Region string
	// Endpoint is a URL, http or https, that takes the place of the service's own. It does not apply to fetching credentials:
	// AWS_ENDPOINT_URL_STS moves those. Empty means AWS_ENDPOINT_URL and its kin, then the service's own.
	Endpoint string
	// Credentials say who asks. The zero value is the SDK's whole chain: environment, web identity (EKS service accounts),
	// profile, container and EKS pod identity, instance.
	Credentials Credentials
	// AssumeRole, if not nil, is a role to take on with those credentials.
	AssumeRole *Role
	// Retries leaves the SDK's own retries on. Credentials are always fetched with them.
	Retries bool

	// MaxConnections bounds connections to one host. Zero means 2048.
	MaxConnections int
	// ConnectTimeout bounds a connection attempt, and again its TLS handshake. Zero means five seconds.
	ConnectTimeout time.Duration
	// ResponseTimeout bounds the wait for an answer's first byte after the request was written. Zero means a minute.
	ResponseTimeout time.Duration

	// Transport takes the place of connections, for tests. AWS_CA_BUNDLE must then be unset.
	Transport http.RoundTripper
	// Observe is told of every attempt of every call, also of those that fetch credentials. Nil means nobody. It must not block.
	Observe func(Call)
}

// Credentials are keys, or a profile, or (the zero value) what the environment says.
type Credentials struct {
	// AccessKeyID, SecretAccessKey and, for temporary keys, SessionToken.
	AccessKeyID, SecretAccessKey, SessionToken string
	// Profile names a section of the shared configuration files. ProfileFile is a file to read instead of those in ~/.aws.
	Profile, ProfileFile string
}

// Role is an IAM role to take on.
type Role struct {
	// ARN such as arn:aws:iam::123456789012:role/reader.
	ARN string
	// ExternalID is what the role's owner asks for; empty if nothing.
	ExternalID string
	// SessionName shows up in the owner's audit log. Empty means "stateway".
	SessionName string
	// Duration of a session, which is renewed five minutes before its end. Zero means an hour; AWS allows 15 minutes to 12 hours.
	Duration time.Duration
}

const (
	defaultMaxConnections  = 2048
	defaultConnectTimeout  = 5 * time.Second
	defaultResponseTimeout = time.Minute
	defaultSessionName     = "stateway"
	defaultSession         = time.Hour
)

func (o Options) withDefaults() Options {
	if o.MaxConnections == 0 {
		o.MaxConnections = defaultMaxConnections
	}
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = defaultConnectTimeout
	}
	if o.ResponseTimeout == 0 {
		o.ResponseTimeout = defaultResponseTimeout
	}
	if o.AssumeRole != nil {
		r := *o.AssumeRole
		if r.SessionName == "" {
			r.SessionName = defaultSessionName
		}
		if r.Duration == 0 {
			r.Duration = defaultSession
		}
		o.AssumeRole = &r
	}
	return o
}

func (o Options) validate() error {
	var problems []error
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			problems = append(problems, fmt.Errorf("endpoint %q: want http://host:port or https://host:port", o.Endpoint))
		}
	}
	c := o.Credentials
	if (c.AccessKeyID == "") != (c.SecretAccessKey == "") {
		problems = append(problems, errors.New("an access key id and its secret access key go together"))
	}
	if c.AccessKeyID != "" && c.Profile != "" {
		problems = append(problems, errors.New("credentials are either keys or a profile"))
	}
	if c.ProfileFile != "" && c.Profile == "" {
		problems = append(problems, errors.New("a profile file needs the name of a profile"))
	}
	if o.MaxConnections < 0 || o.ConnectTimeout < 0 || o.ResponseTimeout < 0 {
		problems = append(problems, errors.New("limits of connections and times must not be negative"))
	}
	if r := o.AssumeRole; r != nil {
		if r.ARN == "" {
			problems = append(problems, errors.New("a role to take on needs an ARN"))
		}
		if r.Duration < 15*time.Minute || r.Duration > 12*time.Hour {
			problems = append(problems, fmt.Errorf("a session of %s: AWS allows 15 minutes to 12 hours", r.Duration))
		}
	}
	return errors.Join(problems...)
}
