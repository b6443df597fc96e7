package admin

import (
	"encoding/json"
	"time"

	"github.com/stateway/stateway/internal/version"
	"github.com/stateway/stateway/runtime/core"
)

// Status is what GET /api/v1/status answers.
type Status struct {
	Application string          `json:"application"`
	Generation  core.Generation `json:"generation"`        // control log number under which the process leads; 0 if it does not
	Ready       bool            `json:"ready"`             // every shard serves and every ingress is read
	Waiting     string          `json:"waiting,omitempty"` // what it waits for, if it is not ready
	Build       version.Info    `json:"build"`
}

// Address is what is known of one Address.
type Address struct {
	Address  string `json:"address"` // namespace/name/id
	Status   string `json:"status"`  // idle, waiting, in flight, failing, held, or not in memory
	Waiting  int    `json:"waiting"` // messages in memory, the one that is being tried included
	MoreWait bool   `json:"moreOnDisk,omitempty"`
	// Attempts and what follows are set while the first message fails.
	Attempts     int        `json:"attempts,omitempty"`
	FirstFailure *time.Time `json:"firstFailure,omitempty"`
	LastFailure  *time.Time `json:"lastFailure,omitempty"`
	NextTry      *time.Time `json:"nextTry,omitempty"`
	Reasons      []string   `json:"reasons,omitempty"` // the last ones, oldest first
	States       []string   `json:"states,omitempty"`  // names of those with a value, as far as they are in memory
}

// Addresses is what GET /api/v1/addresses answers.
type Addresses struct {
	Addresses []Address `json:"addresses"`
	More      bool      `json:"more,omitempty"` // the limit cut the list
}

// State is what GET /api/v1/state answers: the values of one Address as of a committed checkpoint.
type State struct {
	Address    string            `json:"address"`
	Checkpoint core.CheckpointID `json:"checkpoint"` // what came later is not in it; 0 if the shard holds none with rows
	States     []StateValue      `json:"states"`
}

// StateValue is one state. Value is set for the built-in types and for JSON, Base64 for all others; neither when
// only names were asked for.
type StateValue struct {
	Name       string          `json:"name"`
	Type       string          `json:"type"` // typename
	Size       int             `json:"size"` // of the value in bytes
	Value      json.RawMessage `json:"value,omitempty"`
	Base64     []byte          `json:"base64,omitempty"`
	LastAccess *time.Time      `json:"lastAccess,omitempty"` // from which its time to live counts, if it has one
}

// failure is the body of every error below /api/.
type failure struct {
	Error string `json:"error"`
}

// target is the body of a POST about one Address.
type target struct {
	Address string `json:"address"`
}

func addressOf(i core.AddressInfo) Address {
	return Address{
		Address: i.Address.String(), Status: i.Status, Waiting: i.Waiting, MoreWait: i.OnDisk,
		Attempts: i.Attempts, FirstFailure: timeOf(i.First), LastFailure: timeOf(i.Last), NextTry: timeOf(i.RetryAt),
		Reasons: i.Reasons, States: i.States,
	}
}

// timeOf is nil for a time that is not set.
func timeOf(m core.Millis) *time.Time {
	if m == 0 {
		return nil
	}
	t := time.UnixMilli(int64(m)).UTC()
	return &t
}
