// Package shop is the shopping cart example: customers' carts and the stock of a shop, as two stateful functions.
//
// A cart asks the stock for items and gets an answer, which is request and reply between functions. A cart that nobody
// touches for a while is emptied by a delayed message to itself, and what was in it goes back to the stock; checkout
// cancels that message.
//
// Always true, whatever fails: what was restocked equals what is in stock, in carts, on receipts, and in messages on
// their way. Each Checkout leads to one Receipt.
package shop
