package fraud

import stateway "github.com/stateway/stateway/lambda-sdk"

// The function types. Each is deployed in its own way: module.yaml says where.
const (
	Transaction = stateway.FunctionType("fraud/transaction") // an Address for each transaction
	Counter     = stateway.FunctionType("fraud/counter")     // an Address for each account
	Merchant    = stateway.FunctionType("fraud/merchant")    // an Address for each merchant
	Model       = stateway.FunctionType("fraud/model")       // without state: python/model.py
)

// The topics of the playground egress that decisions and alerts are sent to, as JSON.
const (
	DecisionsTopic = "decisions"
	AlertsTopic    = "alerts"
)

// Payment comes from outside and begins a Transaction. Its id is the transaction's.
type Payment struct {
	Account  string `json:"account"`
	Merchant string `json:"merchant"`
	Cents    int64  `json:"cents"`
	Hour     int64  `json:"hour"` // of the day where it was made, from 0 to 23
	Online   bool   `json:"online"`
}

// ConfirmFraud comes from outside when the owner of the account says that a Transaction was none of theirs.
type ConfirmFraud struct{}

// Rating comes from outside and says how risky a Merchant is, from 0 to 1.
type Rating struct {
	Risk float64 `json:"risk"`
}

// Outcomes of a Decision.
const (
	Approved = "approved"
	Declined = "declined" // probably a fraud: an Alert is sent, too
	Refused  = "refused"  // not a payment
)

// Decision is what becomes of a transaction, and what the model knew when it gave the score.
type Decision struct {
	Transaction  string  `json:"transaction"`
	Outcome      string  `json:"outcome"`
	Score        float64 `json:"score"`
	Frauds       int64   `json:"frauds"` // of the account, in the last 30 days
	MerchantRisk float64 `json:"merchantRisk"`
	Reason       string  `json:"reason,omitempty"` // why it was refused
}

// Alert is for those who look into frauds.
type Alert struct {
	Transaction string  `json:"transaction"`
	Score       float64 `json:"score"`
	Payment
}

// The types of the messages that come from outside.
var (
	PaymentType      = stateway.JSON[Payment]("fraud/Payment")
	ConfirmFraudType = stateway.JSON[ConfirmFraud]("fraud/ConfirmFraud")
	RatingType       = stateway.JSON[Rating]("fraud/Rating")
)

// countFrauds asks a Counter, which answers with a fraudCount.
type countFrauds struct{}

type fraudCount struct {
	Frauds int64 `json:"frauds"` // confirmed within the window
}

// rateMerchant asks a Merchant, which answers with a merchantRisk.
type rateMerchant struct{}

type merchantRisk struct {
	Risk float64 `json:"risk"`
}

// features asks the Model, which answers with a score. python/model.py has the same names.
type features struct {
	Cents        int64   `json:"cents"`
	Hour         int64   `json:"hour"`
	Online       bool    `json:"online"`
	Frauds       int64   `json:"frauds"`
	MerchantRisk float64 `json:"merchantRisk"`
}

type score struct {
	Score float64 `json:"score"` // how likely it is a fraud, from 0 to 1
}

// fraudConfirmed tells Counter and Merchant.
type fraudConfirmed struct{}

// forgetFraud is what a Counter sends to itself, for the day when a fraud is too old to count.
type forgetFraud struct{}

var (
	countFraudsType    = stateway.JSON[countFrauds]("fraud/CountFrauds")
	fraudCountType     = stateway.JSON[fraudCount]("fraud/FraudCount")
	rateMerchantType   = stateway.JSON[rateMerchant]("fraud/RateMerchant")
	merchantRiskType   = stateway.JSON[merchantRisk]("fraud/MerchantRisk")
	featuresType       = stateway.JSON[features]("fraud/Features")
	scoreType          = stateway.JSON[score]("fraud/Score")
	fraudConfirmedType = stateway.JSON[fraudConfirmed]("fraud/FraudConfirmed")
	forgetFraudType    = stateway.JSON[forgetFraud]("fraud/ForgetFraud")
)
