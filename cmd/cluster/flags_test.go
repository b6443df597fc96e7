package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// commands are all commands below and with the root.
func commands(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		all = append(all, commands(sub)...)
	}
	return all
}

func TestCommandsHelp(t *testing.T) {
	ran := false
	for _, c := range commands(newRoot(&ran)) {
		if c.Short == "" {
			t.Errorf("%s says nothing of itself: set Short", c.CommandPath())
		}
		if !c.HasSubCommands() && !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s has no example: set Example", c.CommandPath())
		}
		if c.Args == nil {
			t.Errorf("%s does not say which arguments it takes: set Args", c.CommandPath())
		}
	}
}

func TestBucketURLs(t *testing.T) {
	cases := map[string]string{
		"file:///a/b": "/a/b", "file://localhost/a": "/a", "file:///a b/": "/a b", "file:///a%23b": "/a#b",
		"s3://my-bucket": "s3://my-bucket", "s3://my-bucket/a/b/?region=eu-west-1&sse=AES256": "s3://my-bucket/a/b",
	}
	for bucket, want := range cases {
		l := location{bucket: bucket}
		if got, err := l.place(); err != nil || got.String() != want {
			t.Errorf("%s: got %s, %v", bucket, got, err)
		}
	}
	for _, bucket := range []string{
		"/a", "a", "file:", "file://", "file:///", "file://a/b", "file:///a#b", "file:///a?b", "file:///%00", "%",
		"s3://a/b", "s3://my-bucket/p?region", "s3:my-bucket", "s3://key:secret@my-bucket", "s3://key:secret@my-bucket/%", "gs://my-bucket",
	} {
		l := location{bucket: bucket}
		if got, err := l.place(); err == nil || strings.Contains(err.Error(), "secret@") {
			t.Errorf("%s gave %s, %v", bucket, got, err)
		}
	}
}
