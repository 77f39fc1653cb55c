package capturetest

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"testing"
	"time"

	"heptap/capture"
)

// TestSource checks what every capture.Source promises: frames in order and
// whole, valid together until the next Read, totals that may be read from any
// goroutine, and an end that comes alone. open returns a source that is going
// to deliver the given frames. Frames of others in between (a live port is
// never quite silent) are passed over, and a source without an end passes if
// it says that nothing arrived instead.
func TestSource(t *testing.T, open func(t *testing.T, frames []capture.Frame) capture.Source) {
	for _, batch := range []int{1, 3, 64} {
		t.Run(fmt.Sprintf("batch of %d", batch), func(t *testing.T) {
			testSource(t, open, batch, false)
		})
	}
}

// TestFile is TestSource for sources that read files: nothing but the frames
// comes, with their times, Mono equal to Wall, and then io.EOF for ever.
func TestFile(t *testing.T, open func(t *testing.T, frames []capture.Frame) capture.Source) {
	for _, batch := range []int{1, 3, 64} {
		t.Run(fmt.Sprintf("batch of %d", batch), func(t *testing.T) {
			testSource(t, open, batch, true)
		})
	}
	t.Run("empty", func(t *testing.T) {
		s := open(t, nil)
		defer s.Close()
		testEnd(t, s, true)
	})
}

// sourceFrames are told apart by their payload; sizes go from the smallest to
// a whole Ethernet frame.
func sourceFrames() []capture.Frame {
	src, dst := netip.MustParseAddrPort("192.0.2.1:40000"), netip.MustParseAddrPort("192.0.2.2:40002")
	var data [][]byte
	for i := range 200 {
		payload := bytes.Repeat([]byte{byte(i)}, i*7+18)
		data = append(data, UDP(src, dst, fmt.Appendf(payload, "frame %d", i)))
	}
	return Frames(time.Unix(1700000000, 123456789), 20*time.Millisecond, data...)
}

func testSource(t *testing.T, open func(*testing.T, []capture.Frame) capture.Source, batch int, file bool) {
	want := sourceFrames()
	s := open(t, want)
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("second close: %v", err)
		}
	}()
	if n, err := s.Read(nil); n != 0 || err != nil {
		t.Fatalf("Read into nothing: %d, %v", n, err)
	}
	stop := watchStats(t, s)
	defer stop()
	got := readAll(t, s, want, batch, file)
	stop()
	if got != len(want) {
		t.Fatalf("%d of %d frames came", got, len(want))
	}
	stats := s.Stats()
	if received := stats.Received - stats.KernelDrops; received < uint64(len(want)) || file && received != uint64(len(want)) {
		t.Errorf("stats %+v after %d frames", stats, len(want))
	}
	testEnd(t, s, file)
}

// watchStats reads s's totals from another goroutine until stop is called, for
// the race detector; stop returns when it has ended.
func watchStats(t *testing.T, s capture.Source) (stop func()) {
	ask, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		var last capture.Stats
		for {
			select {
			case <-ask:
				return
			case <-time.After(100 * time.Microsecond): // not a core's worth of asking
			}
			now := s.Stats()
			if now.Received < last.Received {
				t.Errorf("Received fell from %d to %d", last.Received, now.Received)
			}
			last = now
		}
	}()
	return sync.OnceFunc(func() {
		close(ask)
		<-ended
	})
}

// readAll returns how many of want came, in order.
func readAll(t *testing.T, s capture.Source, want []capture.Frame, batch int, file bool) int {
	frames := make([]capture.Frame, batch)
	got, deadline := 0, time.Now().Add(30*time.Second)
	for got < len(want) {
		n, err := s.Read(frames)
		if err != nil {
			t.Fatalf("after %d frames: %v", got, err)
		}
		if n > batch {
			t.Fatalf("Read filled %d of %d frames", n, batch)
		}
		if n == 0 && time.Now().After(deadline) {
			return got
		}
		for i := range frames[:n] { // all of the batch is valid at once
			f := &frames[i]
			if !file && !isOurs(f, want) {
				continue
			}
			if got == len(want) {
				t.Fatalf("more than %d frames", len(want))
			}
			compare(t, got, f, &want[got], file)
			got++
		}
	}
	return got
}

func isOurs(f *capture.Frame, want []capture.Frame) bool {
	for i := range want {
		if bytes.Equal(f.Data, want[i].Data) {
			return true
		}
	}
	return false
}

func compare(t *testing.T, i int, f, want *capture.Frame, file bool) {
	t.Helper()
	if !bytes.Equal(f.Data, want.Data) {
		t.Fatalf("frame %d: got % x\nwant % x", i, f.Data, want.Data)
	}
	if f.Length != want.Length || f.Link != want.Link {
		t.Errorf("frame %d: length %d, link %d; want %d, %d", i, f.Length, f.Link, want.Length, want.Link)
	}
	if f.Wall == 0 || f.Mono == 0 {
		t.Errorf("frame %d has no time", i)
	}
	if file && (f.Wall != want.Wall || f.Mono != want.Wall) {
		t.Errorf("frame %d: wall %d, mono %d; want %d", i, f.Wall, f.Mono, want.Wall)
	}
}

// testEnd reads on after the last frame.
func testEnd(t *testing.T, s capture.Source, file bool) {
	t.Helper()
	frames := make([]capture.Frame, 4)
	var ended bool
	for range 3 {
		n, err := s.Read(frames)
		switch {
		case err == io.EOF && n != 0:
			t.Fatalf("io.EOF came with %d frames", n)
		case err == io.EOF:
			ended = true
		case err != nil:
			t.Fatalf("after the last frame: %v", err)
		case ended:
			t.Fatal("Read went on after io.EOF")
		case file:
			t.Fatalf("%d frames instead of io.EOF", n)
		}
	}
}
