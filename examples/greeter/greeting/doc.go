// Package greeting is the greeter example: two functions that greet people and count their visits.
//
// A request reaches example/person, one Address for each person, which keeps the number of visits and passes the
// request on to example/greeter, which sends a greeting to the playground egress. The same functions stand beside it in Python and
// in JavaScript; all three answer alike.
package greeting
