package reqreply

import (
	"strings"
	"unicode/utf8"

	"github.com/stateway/stateway/runtime/core"
)

// Check refuses a response that was made in this process and breaks a rule that ParseAnswer would have refused. The
// error is an *Error.
func Check(r *core.Response) error {
	if r.Incomplete && len(r.Missing) == 0 {
		return refuse("the function lacks states but names none")
	}
	for i := range r.Missing {
		s := &r.Missing[i]
		lives := s.Mode == core.ExpireNever || (s.Mode <= core.ExpireAfterInvoke && s.TTL > 0)
		if s.Name == "" || !isTypename(s.Typename) || !lives || !utf8.ValidString(s.Name) || !utf8.ValidString(s.Typename) {
			return refuse("missing state %d is no valid state: %+v", i, *s)
		}
	}
	for i := range r.Messages {
		if !isAddress(&r.Messages[i].Target) {
			return refuse("outgoing message %d has no function as its target: %q", i, r.Messages[i].Target)
		}
	}
	for i := range r.Delayed {
		if err := checkDelayed(i, &r.Delayed[i]); err != nil {
			return err
		}
	}
	for i := range r.Egresses {
		if !isName(r.Egresses[i].Egress) {
			return refuse("egress record %d has no egress: %q", i, r.Egresses[i].Egress)
		}
	}
	for i := range r.Mutations {
		if n := r.Mutations[i].Name; n == "" || !utf8.ValidString(n) {
			return refuse("state mutation %d has no state name: %q", i, n)
		}
	}
	return nil
}

func checkDelayed(i int, d *core.Delayed) error {
	switch {
	case !utf8.ValidString(d.Token):
		return refuse("delayed message %d has a token that is not UTF-8: %q", i, d.Token)
	case d.Cancel && d.Token == "":
		return refuse("delayed message %d is a cancellation without a token", i)
	case !d.Cancel && d.Delay < 0:
		return refuse("delayed message %d has a negative delay: %d ms", i, d.Delay)
	case !d.Cancel && !isAddress(&d.Target):
		return refuse("delayed message %d has no function as its target: %q", i, d.Target)
	}
	return nil
}

func isAddress(a *core.Address) bool { return isName(string(a.Type)) && utf8.ValidString(a.ID) }

// isName reports whether s is namespace/name as a module file can name it.
func isName(s string) bool {
	slash := strings.IndexByte(s, '/')
	return slash > 0 && slash < len(s)-1 && strings.IndexByte(s[slash+1:], '/') < 0 && utf8.ValidString(s)
}
