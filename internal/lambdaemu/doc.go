// Package lambdaemu emulates AWS Lambda: the Invoke API towards callers, the Runtime API towards functions, and what lies between. It
// serves tests and `stateway dev lambda`.
//
// Always true: an environment has one invocation at a time; an invocation is answered once; errors have the status, code and body that
// Lambda gives them; no more environments work than the concurrency allows, and no more are started than the ramp does. What a timed-out
// invocation still does harms no other: its environment gets none.
//
// Not emulated: signatures and policies, versions and aliases (every qualifier means the one code there is), retries of asynchronous
// invocations, network and temporary files of their own, external extensions, CPU by memory.
//
// A function is a bootstrap, started as a process for each environment, or a Handler in this process. Safe for concurrent use.
package lambdaemu
