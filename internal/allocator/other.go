//go:build !cgo || !linux

package allocator

// returnLarge has nothing to do: without cgo everything lies in Go's heap, and only glibc keeps what it could give back.
func returnLarge() {}
