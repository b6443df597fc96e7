package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/runtime/egress"
)

// Options describe a file egress.
type Options struct {
	// Path is the file to append to; missing folders above it are made.
	Path string
	// Application goes into the ids of records, and into PATH.offsets.
	Application core.ApplicationID

	// Lanes is how many workers emit; Records and Bytes bound what each has open. Zero means 1 lane,
	// 16,384 records and 16 MiB. For an Emitter only.
	Lanes   int
	Records int
	Bytes   int64
}

func (o Options) withDefaults() Options {
	if o.Lanes == 0 {
		o.Lanes = 1
	}
	if o.Records == 0 {
		o.Records = 1 << 14
	}
	if o.Bytes == 0 {
		o.Bytes = 16 << 20
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if o.Path == "" {
		errs = append(errs, errors.New("path is missing"))
	}
	if o.Lanes < 0 || o.Records < 0 || o.Bytes < 0 {
		errs = append(errs, fmt.Errorf("options Lanes %d, Records %d and Bytes %d: none can be below zero", o.Lanes, o.Records, o.Bytes))
	}
	return errors.Join(errs...)
}

// prepare checks the options and makes the folder.
func (o Options) prepare() (Options, error) {
	if err := o.validate(); err != nil {
		return o, fmt.Errorf("file egress: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(o.Path), 0o755); err != nil { //nolint:gosec // for others to read
		return o, fmt.Errorf("file egress: make the folder of %s: %w", o.Path, err)
	}
	return o.withDefaults(), nil
}

// validateRecord refuses records of the SDKs' egress types that cannot be read; any other value is good.
func validateRecord(typename string, value []byte) error {
	_, err := egress.Normalise(typename, value)
	return err
}
