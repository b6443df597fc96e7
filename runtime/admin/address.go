package admin

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/stateway/stateway/runtime/core"
)

// maxAddress is the longest Address that is accepted, in bytes.
const maxAddress = 16 << 10

// ParseAddress reads namespace/name/id. The id is everything behind the second slash, so it may hold slashes.
func ParseAddress(s string) (core.Address, error) {
	if len(s) > maxAddress {
		return core.Address{}, fmt.Errorf("the address has %d bytes; at most %d are accepted", len(s), maxAddress)
	}
	namespace, rest, _ := strings.Cut(s, "/")
	name, id, found := strings.Cut(rest, "/")
	if !found || namespace == "" || name == "" || id == "" || !utf8.ValidString(s) {
		return core.Address{}, fmt.Errorf("address %q: want namespace/name/id, such as shop/cart/Kim", s)
	}
	return core.Address{Type: core.FunctionType(namespace + "/" + name), ID: id}, nil
}
