package awsclient

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// renewBefore is how long before their end credentials of a role are fetched anew.
const renewBefore = 5 * time.Minute

// CredentialsError means that a call was not made because its credentials could not be fetched.
type CredentialsError struct{ Err error }

// Error names the remedy: the SDK's own text ends with the last place where it looked.
func (e *CredentialsError) Error() string {
	return fmt.Sprintf("no AWS credentials (set awsCredentials, or give the process an identity): %v", e.Err)
}

// Unwrap gives the SDK's error.
func (e *CredentialsError) Unwrap() error { return e.Err }

// keyring gives out credentials, and can be told that they are used up before their time.
type keyring struct {
	last   aws.CredentialsProvider // whose credentials are given out; set by Load, then constant
	caches []*aws.CredentialsCache // set by Load, then constant
}

// add makes a provider the last one.
func (k *keyring) add(p aws.CredentialsProvider) {
	k.last = p
	if c, ok := p.(*aws.CredentialsCache); ok {
		k.caches = append(k.caches, c)
	}
}

// assume takes a role on with the credentials there are.
func (k *keyring) assume(cfg aws.Config, r Role) {
	provider := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), r.ARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.Duration = r.SessionName, r.Duration
		if r.ExternalID != "" {
			o.ExternalID = aws.String(r.ExternalID)
		}
	})
	k.add(aws.NewCredentialsCache(provider, func(o *aws.CredentialsCacheOptions) {
		o.ExpiryWindow, o.ExpiryWindowJitterFrac = renewBefore, 0.5
	}))
}

// Retrieve implements aws.CredentialsProvider.
func (k *keyring) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := k.last.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, &CredentialsError{err}
	}
	return c, nil
}

// invalidate makes the next call fetch credentials again.
func (k *keyring) invalidate() {
	for _, c := range k.caches {
		c.Invalidate()
	}
}
