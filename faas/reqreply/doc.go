// Package reqreply turns invocations of the core into the bytes of the request-reply protocol, and answers into
// outcomes. Every endpoint that speaks the protocol uses it.
//
// Always true: an answer is refused whole (an *Error) if any part of it breaks a rule that can be told without the
// application; texts and values of a response alias the answer's bytes, except for names that occur again and again
// (function types, egresses, states, typenames), which are kept once per Codec.
package reqreply
