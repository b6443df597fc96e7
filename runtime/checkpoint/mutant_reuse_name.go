//go:build mutant_reuse_name

package checkpoint

const reuseNames = true // a segment's name says neither its generation nor anything random
