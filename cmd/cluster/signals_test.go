package main

import (
	"log/slog"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestASignalSentTwiceAtOnceIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signals, done := make(chan os.Signal, 2), make(chan struct{})
		halts, exits := 0, 0
		go watch(signals, done, slog.New(slog.DiscardHandler), func() { halts++ }, func(int) { exits++ })
		signals <- syscall.SIGTERM
		signals <- syscall.SIGTERM
		synctest.Wait()
		if halts != 1 || exits != 0 {
			t.Fatalf("two signals at once: halted %d times, ended %d times; want 1 and 0", halts, exits)
		}
		time.Sleep(sameSignal)
		signals <- syscall.SIGINT
		synctest.Wait()
		if halts != 1 || exits != 1 {
			t.Fatalf("a second signal later: halted %d times, ended %d times; want 1 and 1", halts, exits)
		}
	})
}
