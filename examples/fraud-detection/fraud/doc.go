// Package fraud is the fraud detection example: it says of each card transaction whether it is probably a fraud, as it comes in.
//
// A Transaction asks the Counter of its account how many frauds were confirmed there in the last 30 days, and the Merchant how risky it is.
// With both answers it asks the Model, which is a function in Python, for a score; with the score it decides. When a fraud is confirmed
// later, the Transaction tells Counter and Merchant so. The Counter forgets a fraud when it gets the delayed message that it has sent
// to itself.
//
// Always true, whatever fails: a transaction is decided once, with one Decision and at most one Alert; a confirmed fraud counts once, at its
// account for as long as the window says, and at its merchant.
package fraud
