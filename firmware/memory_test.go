package main

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// What a burst has left goes back to the machine with the next look, and not before.
func TestGiveBack(t *testing.T) {
	burst := make([][]byte, 64)
	for i := range burst {
		burst[i] = make([]byte, 1<<20)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go giveBack(ctx)
		time.Sleep(spareEvery - time.Second)
		runtime.KeepAlive(burst)
		burst = nil
		runtime.GC()
		if n := spare(); n < 32<<20 {
			t.Fatalf("%d octets are left of a burst of 64 MiB: the test tests nothing", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := spare(); n > 16<<20 { // other tests leave something, too
			t.Errorf("%d octets are still held", n)
		}
	})
}
