package core

// instance is what a worker holds in memory of one Address.
type instance struct{}
