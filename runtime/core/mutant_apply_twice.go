//go:build mutant_apply_twice

package core

const planted = applyTwice // the answer to a try that is over is applied once more
