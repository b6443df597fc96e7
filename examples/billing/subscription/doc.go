// Package subscription is the billing example: subscriptions of users, and the payments for them, as two stateful functions.
//
// A User holds a subscription. Its next billing date is a delayed message to itself; cancelling takes that message back. When it is
// due, the Payment of the same id is asked to collect the money. A payment that the provider declines is tried again later, by delayed
// messages as well; after a few tries the subscription is suspended. Changes come from a stream, results go to another one. A third one leads
// from Payment to Payment: the provider is asked only for what was committed before.
//
// Always true, whatever fails: a result leaves once, in the order of what happened to its user; an invoice is charged at most once; after
// Cancelled, Ended or Suspended nothing is charged until the user starts again.
package subscription
