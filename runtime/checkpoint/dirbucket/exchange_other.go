//go:build !linux && !darwin

package dirbucket

import (
	"errors"
	"fmt"
)

// Exchange implements FS: there is no such step here, so the control log keeps all its folders.
func (osFS) Exchange(a, b string) error {
	return fmt.Errorf("exchange %s and %s: %w", a, b, errors.ErrUnsupported)
}
