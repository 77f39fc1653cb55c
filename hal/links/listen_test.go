package links_test

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"heptap/hal/links"
)

// TestListen has frames of several ethertypes come in: the listener gets those of its
// own, each whole, and what goes out it does not get.
func TestListen(t *testing.T) {
	l := newLab(t)
	l.up("m")
	l.up("p")
	const lldp = 0x88cc
	from, err := links.Listen("m", lldp, [6]byte{0x01, 0x80, 0xc2, 0, 0, 0x0e})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	llc, err := links.Listen("m", links.LLC, [6]byte{0x01, 0, 0x0c, 0xcc, 0xcc, 0xcc})
	if err != nil {
		t.Fatal(err)
	}
	defer llc.Close()
	if _, err := links.Listen("nowhere", lldp); err == nil {
		t.Error("a device that does not exist")
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	frame := func(dst string, kind string, fill byte) []byte {
		return append([]byte(dst+"\x02\x00\x00\x00\x00\x01"+kind), bytes.Repeat([]byte{fill}, 60)...)
	}
	const nearest, cisco = "\x01\x80\xc2\x00\x00\x0e", "\x01\x00\x0c\xcc\xcc\xcc"
	send := func(device string, f []byte) {
		t.Helper()
		if err := unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: l.link(device).Attrs().Index}); err != nil {
			t.Fatal(err)
		}
	}
	send("m", frame(nearest, "\x88\xcc", 9)) // goes out
	send("p", frame(nearest, "\x08\x00", 8))
	send("p", frame(cisco, "\x00\x3c", 7))
	send("p", frame(nearest, "\x88\xcc", 1))
	send("p", frame(nearest, "\x88\xcc", 2))
	b := make([]byte, 2048)
	for _, fill := range []byte{1, 2} {
		n, err := from.Read(b)
		if err != nil || !bytes.Equal(b[:n], frame(nearest, "\x88\xcc", fill)) {
			t.Fatalf("%v, % x", err, b[:n])
		}
	}
	if n, err := llc.Read(b); err != nil || !bytes.Equal(b[:n], frame(cisco, "\x00\x3c", 7)) {
		t.Fatalf("%v, % x", err, b[:n])
	}
	// Whoever waits for a device that goes down, or for one that is closed, is told.
	ended := make(chan error, 2)
	for _, f := range []interface{ Read([]byte) (int, error) }{from, llc} {
		go func() {
			_, err := f.Read(make([]byte, 2048))
			ended <- err
		}()
	}
	if err := l.nl.LinkSetDown(l.link("m")); err != nil {
		t.Fatal(err)
	}
	llc.Close()
	for range 2 {
		select {
		case err := <-ended:
			if err == nil {
				t.Error("a frame from nowhere")
			}
		case <-time.After(20 * time.Second):
			t.Fatal("waits for ever")
		}
	}
}
