// Package module loads module.yaml files into one validated Application.
//
// The form is that of Stateful Functions 3.3: a stream of documents, each with kind and spec, or the single
// document of 3.0. On top come kinds and keys of Stateway's own, which StateFun either does not know or ignores.
//
// Always true of an Application that Load returned: every default is filled in, every id and function pattern is
// there once, every target has an endpoint, every dead-letter egress exists, and its lists are sorted, so that the
// same files give the same value and the same Fingerprint whatever their order. Problems of all files come back
// together, each with its place and with what would be right. No input makes Load panic, and what it may cost is
// bounded by MaxFileBytes and limits on nesting and on expanded aliases.
//
// Called by runtime/node and by embedding programs. An Application is not changed after Load and may be shared.
// The reference of all keys is docs/module.md.
package module
