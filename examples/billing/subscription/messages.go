package subscription

import stateway "github.com/stateway/stateway/lambda-sdk"

// The function types: an Address of each for every user.
const (
	User    = stateway.FunctionType("billing/user")
	Payment = stateway.FunctionType("billing/payment")
)

// The streams, and the egresses of module.yaml. Charges come back to the function that sends them.
const (
	ChangesStream = "subscription-changes"
	ResultsStream = "billing-results"
	ChargesStream = "billing-charges"

	Results = stateway.EgressID("billing/results")
	Charges = stateway.EgressID("billing/charges")
)

// Kinds of a Change.
const (
	Start      = "start"  // begins a subscription, unless there is one
	ChangePlan = "plan"   // another plan and price, from the next invoice on
	Cancel     = "cancel" // ends it
)

// Change is what comes from ChangesStream: the data of a CloudEvent. The partition key is the user.
type Change struct {
	Change string `json:"change"`
	Plan   string `json:"plan,omitempty"`
	Cents  int64  `json:"cents,omitempty"`  // a month
	Months int64  `json:"months,omitempty"` // ends after so many; zero means it goes on until it is cancelled
	Card   string `json:"card,omitempty"`   // for the payment provider
}

// Events of a Result.
const (
	Started   = "started"
	Changed   = "changed"
	Paid      = "paid"
	Declined  = "declined"  // and tried again later
	Suspended = "suspended" // declined too often
	Cancelled = "cancelled"
	Ended     = "ended"   // all months are paid
	Refused   = "refused" // a Change that does not fit, as the end of what has not begun
)

// Result is what goes to ResultsStream: the data of a CloudEvent, whose id stays the same however often it is sent. The partition key is
// the user.
type Result struct {
	User    string `json:"user"`
	Event   string `json:"event"`
	Plan    string `json:"plan,omitempty"`
	Invoice int64  `json:"invoice,omitempty"` // counted from 1 for each user
	Cents   int64  `json:"cents,omitempty"`
	Try     int64  `json:"try,omitempty"` // of the invoice's payment, from 1
	Reason  string `json:"reason,omitempty"`
}

// What module.yaml says that a Change and a Charge are.
var (
	ChangeType = stateway.JSON[Change]("billing/Change")
	ChargeType = stateway.JSON[Charge]("billing/Charge")
)

// due is what a User sends to itself for the next billing date.
type due struct {
	Invoice int64 `json:"invoice"`
}

// collect asks a Payment for the money of an invoice.
type collect struct {
	Invoice int64  `json:"invoice"`
	Cents   int64  `json:"cents"`
	Card    string `json:"card"`
}

// withdraw asks a Payment to give up an invoice. It answers with a settlement, unless that is on its way already.
type withdraw struct {
	Invoice int64 `json:"invoice"`
}

// retry is what a Payment sends to itself after a try that was declined.
type retry struct {
	Invoice int64 `json:"invoice"`
	Try     int64 `json:"try"`
}

// Outcomes of a settlement.
const (
	paid      = "paid"
	declined  = "declined" // for now: another try follows
	failed    = "failed"   // the last try was declined
	withdrawn = "withdrawn"
)

// settlement is what a Payment tells the User that asked.
type settlement struct {
	Invoice int64  `json:"invoice"`
	Outcome string `json:"outcome"`
	Cents   int64  `json:"cents,omitempty"` // that were taken
	Try     int64  `json:"try"`
	Reason  string `json:"reason,omitempty"`
}

// The types of the messages between functions, and of results. The user function in Python has the same ones.
var (
	resultType     = stateway.JSON[Result]("billing/Result")
	dueType        = stateway.JSON[due]("billing/Due")
	collectType    = stateway.JSON[collect]("billing/Collect")
	withdrawType   = stateway.JSON[withdraw]("billing/Withdraw")
	retryType      = stateway.JSON[retry]("billing/Retry")
	settlementType = stateway.JSON[settlement]("billing/Settlement")
)
