package cloudevents

import (
	"sync"
	"time"

	"github.com/stateway/stateway/protocol/group"
)

// server is what is known of the server at an address.
type server struct {
	mu    sync.Mutex
	known group.Encodings // zero: it has not announced that it takes groups
	trust int             // failures for which the encoding is not to blame
	heard time.Time       // when its last answer came
}

// failuresTrusted is how many groups may fail after one that failed in JSON as well, before the encoding is doubted again: to look for
// a poison item must not cost two requests a step.
const failuresTrusted = 32

// encoding is what a group is sent in; zero means as plain requests.
func (s *server) encoding() group.Encoding {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.known.Has(group.Protobuf):
		return group.Protobuf
	case s.known != 0:
		return group.JSON
	}
	return 0
}

// together is how many items travel in a request.
func (s *server) together() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == 0 {
		return 1
	}
	return group.MaxItems
}

// cold reports whether no answer has come for so long.
func (s *server) cold(idle time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard.IsZero() || time.Since(s.heard) > idle
}

// answered takes note of an answer, whatever it says.
func (s *server) answered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = time.Now()
}

// tookPlain takes note of what the good answer to a plain request announces: the newest one counts, also if it announces nothing.
func (s *server) tookPlain(values []string) {
	known := group.ParseAnnouncement(values...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = known
}

// tookGroup takes note of what the good answer to a group announces. One without an announcement changes nothing: a server that takes
// groups need not repeat it.
func (s *server) tookGroup(values []string, within group.Encodings) {
	known := group.ParseAnnouncement(values...) | within
	if known == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = known.With(group.JSON)
}

// refused takes note that a group's encoding is not known to the server, and gives the one to use instead; zero means none.
func (s *server) refused(enc group.Encoding) group.Encoding {
	s.mu.Lock()
	defer s.mu.Unlock()
	if enc == group.JSON {
		s.known = 0
		return 0
	}
	s.known = group.Encodings(0).With(group.JSON)
	return group.JSON
}

// doubt reports whether a group that failed in an encoding is to be sent once more in JSON, before an item is to blame: another version
// of the server may have been deployed. Then what was known is forgotten.
func (s *server) doubt(enc group.Encoding) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if enc == group.JSON {
		return false
	}
	if s.trust > 0 {
		s.trust--
		return false
	}
	s.known = group.Encodings(0).With(group.JSON)
	return true
}

// cleared takes note that the group that was sent once more failed all the same: its encoding was not to blame.
func (s *server) cleared(enc group.Encoding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trust = failuresTrusted
	if s.known != 0 { // otherwise it has turned out meanwhile that it takes no groups
		s.known = s.known.With(enc)
	}
}
