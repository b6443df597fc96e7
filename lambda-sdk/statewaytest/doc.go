// Package statewaytest tests stateful functions without a node and without a network.
//
// An Instance stands for one Address of an app: give it messages and state, and look at what it sends, at its egress
// records and at its state:
//
//	cart := statewaytest.New(t, app, stateway.FunctionType("shop/cart").At("Kim"))
//	statewaytest.Set(cart, items, []Item{{"socks", 2}})
//	effects := cart.Deliver(checkout.Of(Checkout{}))
//	order := statewaytest.Read(cart, orderType, effects.Sent[0].Message)
//
// Always true: a delivery that fails leaves the state as it was, as on a node; the runtime's part (delivering what was
// sent, waiting, expiry) is the test's to play. An Instance belongs to one test goroutine.
package statewaytest
