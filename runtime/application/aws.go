package application

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/stateway/stateway/internal/awsclient"
	"github.com/stateway/stateway/runtime/module"
)

// loadTime bounds the reading of AWS configuration: of files, and where nobody names a region, of the machine's metadata.
const loadTime = 10 * time.Second

// kinesisClient is one component's client, made when it is first opened and kept when it is opened again, with its connections.
type kinesisClient struct {
	options awsclient.Options

	mu     sync.Mutex
	cfg    aws.Config
	client *kinesis.Client // guarded by mu with cfg; nil until open has succeeded
}

// open gives the client and its region.
func (c *kinesisClient) open() (*kinesis.Client, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client == nil {
		ctx, cancel := context.WithTimeout(context.Background(), loadTime)
		defer cancel()
		cfg, err := awsclient.Load(ctx, c.options)
		if err != nil {
			return nil, "", err
		}
		c.cfg, c.client = cfg, kinesis.NewFromConfig(cfg)
	}
	return c.client, c.cfg.Region, nil
}

// rest closes connections that are not used, when the component is closed.
func (c *kinesisClient) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	awsclient.CloseIdle(c.cfg)
}

// kinesisClient says how a component of the module reaches Kinesis.
func (b *builder) kinesisClient(region module.AWSRegion, id string, who module.AWSCredentials, limits module.AWSConnections) *kinesisClient {
	return &kinesisClient{options: b.awsOptions(region, id, who, limits)}
}

// awsOptions say how a component of the module reaches a service of AWS.
func (b *builder) awsOptions(region module.AWSRegion, id string, who module.AWSCredentials, limits module.AWSConnections) awsclient.Options {
	opts := awsclient.Options{
		Region: id, Endpoint: region.Endpoint,
		Credentials: awsclient.Credentials{
			AccessKeyID: who.AccessKeyID, SecretAccessKey: who.SecretAccessKey.Reveal(), SessionToken: who.SessionToken.Reveal(),
			Profile: who.ProfileName, ProfileFile: who.ProfilePath,
		},
		MaxConnections: limits.Max, ConnectTimeout: limits.Connect, ResponseTimeout: limits.Response,
		Observe: b.opt.AWSCalls,
	}
	if r := who.Role; r.ARN != "" {
		opts.AssumeRole = &awsclient.Role{ARN: r.ARN, ExternalID: r.ExternalID, SessionName: r.SessionName, Duration: r.Duration}
	}
	return opts
}
