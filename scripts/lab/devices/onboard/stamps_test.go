package onboard

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"heptap/capture"
	"heptap/capture/ring"
	"heptap/scripts/lab/guest/inside"
)

// TestTimestamps captures on a card whose driver has hardware timestamps. QEMU's e1000e takes the
// driver's settings, but has neither a clock that goes nor stamps: the ring has to find
// that out, and every frame has the system's time.
func TestTimestamps(t *testing.T) {
	inside.Load(t, "e1000e")
	var names []string
	for end := time.Now().Add(time.Minute); len(names) < 2; time.Sleep(100 * time.Millisecond) { // the driver finds them by and by
		if time.Now().After(end) {
			t.Fatalf("network cards: %v", names)
		}
		names = names[:0]
		all, err := netlink.LinkList()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range all {
			if l.Attrs().EncapType == "ether" {
				names = append(names, l.Attrs().Name)
			}
		}
	}
	tx, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(tx)
	for _, name := range names {
		l, err := netlink.LinkByName(name)
		if err == nil {
			err = netlink.LinkSetUp(l)
		}
		if err == nil && name == names[1] {
			err = unix.Bind(tx, &unix.SockaddrLinklayer{Ifindex: l.Attrs().Index})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := ring.Open(ring.Config{Interface: names[0], HardwareTime: true, RingBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	first := r.Timestamps()
	t.Logf("at first: %+v", first)
	const kind = 0x88b5 // for experiments
	frame := make([]byte, 64)
	copy(frame, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x88\xb5")
	frames, got := make([]capture.Frame, 64), 0
	for end := time.Now().Add(2 * time.Minute); got < 2000; {
		if time.Now().After(end) {
			t.Fatalf("%d frames came: %+v", got, r.Stats())
		}
		before := time.Now()
		for range 20 {
			_, _ = unix.Write(tx, frame) // without carrier, at first, nothing comes of it
		}
		n, err := r.Read(frames)
		if err != nil {
			t.Fatal(err)
		}
		for i := range frames[:n] {
			f := &frames[i]
			if binary.BigEndian.Uint16(f.Data[12:]) != kind {
				continue
			}
			got++
			if at := time.Unix(0, f.Wall); at.Before(before.Add(-time.Minute)) || at.After(time.Now().Add(10*time.Millisecond)) {
				t.Fatalf("frame %d came at %v, it is %v", got, at, time.Now())
			}
		}
	}
	st := r.Timestamps()
	t.Logf("after %d frames: %+v: %s", got, st, st.String())
	if !first.Hardware {
		t.Error("the driver was not to be had for hardware timestamps")
	}
	if !st.Wanted || st.Hardware == (st.Reason != "") || st.Stamped+st.Refused+st.Unstamped == 0 {
		t.Errorf("%+v", st)
	}
}
