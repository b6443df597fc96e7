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

func TestFolderOfABucket(t *testing.T) {
	cases := map[string]string{
		"file:///a/b": "/a/b", "file://localhost/a": "/a", "file:///a b/": "/a b", "file:///a%23b": "/a#b",
	}
	for bucket, want := range cases {
		l := location{bucket: bucket}
		if got, err := l.folder(); err != nil || got != want {
			t.Errorf("%s: got %s, %v", bucket, got, err)
		}
	}
	for _, bucket := range []string{"/a", "a", "file:", "file://", "file:///", "file://a/b", "file:///a#b", "file:///a?b", "s3://a/b", "file:///%00", "%"} {
		l := location{bucket: bucket}
		if got, err := l.folder(); err == nil {
			t.Errorf("%s gave %s", bucket, got)
		}
	}
}
