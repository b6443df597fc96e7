package main

import (
	"github.com/spf13/pflag"

	"github.com/stateway/stateway/runtime/admin"
	"github.com/stateway/stateway/runtime/core"
)

const defaultAdmin = "127.0.0.1:9911"

// running names a node that runs, for the commands that ask one.
type running struct {
	admin string
	json  bool
}

func (r *running) flags(f *pflag.FlagSet) {
	f.StringVar(&r.admin, "admin", defaultAdmin, "`address` of the node's admin server")
	jsonFlag(f, &r.json)
}

// client makes the admin client and reads the addresses that arguments name.
func (r *running) client(args ...string) (*admin.Client, []core.Address, error) {
	c, err := admin.NewClient(r.admin)
	if err != nil {
		return nil, nil, usageError(err)
	}
	var found []core.Address
	for _, arg := range args {
		a, err := admin.ParseAddress(arg)
		if err != nil {
			return nil, nil, usageError(err)
		}
		found = append(found, a)
	}
	return c, found, nil
}
