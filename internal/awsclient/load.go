package awsclient

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"github.com/stateway/stateway/internal/version"
)

// ErrNoRegion means that no region was given and none was found.
var ErrNoRegion = errors.New("no AWS region: set awsRegion or AWS_REGION, or give the profile a region")

// metadataTimeout bounds the look for a region at the machine's metadata address, which a laptop does not have.
const metadataTimeout = time.Second

// Load makes the configuration for clients of one service. Errors name what is wrong with the options, the environment or the
// shared configuration files; credentials are fetched by the first call and not before.
func Load(ctx context.Context, o Options) (aws.Config, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return aws.Config{}, err
	}
	keys := &keyring{}
	options, err := o.sources(keys)
	if err != nil {
		return aws.Config{}, err
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("load the AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		if cfg.Region = instanceRegion(ctx, cfg); cfg.Region == "" {
			return aws.Config{}, ErrNoRegion
		}
	}
	// The order matters: what fetches credentials keeps the SDK's retries, read limits and endpoints.
	keys.add(cfg.Credentials)
	if o.AssumeRole != nil {
		keys.assume(cfg, *o.AssumeRole)
	}
	cfg.Credentials = keys
	if o.Transport == nil {
		cfg.HTTPClient = freeze(cfg.HTTPClient)
	}
	if !o.Retries {
		cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
		cfg.RetryMaxAttempts = 0
	}
	if o.Endpoint != "" {
		cfg.BaseEndpoint = aws.String(o.Endpoint)
		cfg.ConfigSources = append([]any{endpoint(o.Endpoint)}, cfg.ConfigSources...)
	}
	return cfg, nil
}

// sources are the options in the SDK's words.
func (o Options) sources(keys *keyring) ([]func(*config.LoadOptions) error, error) {
	client := o.client()
	options := []func(*config.LoadOptions) error{
		config.WithRegion(o.Region),
		config.WithHTTPClient(client),
		config.WithEndpointCredentialOptions(func(e *endpointcreds.Options) { e.HTTPClient = client }), // the SDK would take another
		config.WithLogger(logging.Nop{}),
		config.WithAPIOptions([]func(*middleware.Stack) error{
			awsmiddleware.AddUserAgentKeyValue("stateway", version.Get().Version),
			observer(o.Observe, keys),
		}),
	}
	c := o.Credentials
	if c.AccessKeyID != "" {
		static := credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
		options = append(options, config.WithCredentialsProvider(static))
	}
	if c.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(c.Profile))
	}
	if c.ProfileFile != "" {
		if _, err := os.Stat(c.ProfileFile); err != nil {
			return nil, fmt.Errorf("read the file of profile %s: %w", c.Profile, err)
		}
		files := []string{c.ProfileFile}
		options = append(options, config.WithSharedConfigFiles(files), config.WithSharedCredentialsFiles(files))
	}
	return options, nil
}

// instanceRegion is the region of the machine, if it is one of EC2; else empty.
func instanceRegion(ctx context.Context, cfg aws.Config) string {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	client := imds.NewFromConfig(cfg, func(o *imds.Options) { o.Retryer = aws.NopRetryer{} })
	out, err := client.GetRegion(ctx, nil)
	if err != nil {
		return "" // as on every machine that is not one of EC2
	}
	return out.Region
}

// endpoint is a configuration source that goes before the environment's: the SDK lets AWS_ENDPOINT_URL_KINESIS and its kin win
// over an endpoint that the program sets.
type endpoint string

// GetServiceBaseEndpoint is what the SDK asks of its sources.
func (e endpoint) GetServiceBaseEndpoint(context.Context, string) (string, bool, error) {
	return string(e), true, nil
}
