package ring_test

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"heptap/capture"
	"heptap/capture/ring"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// lab is a network namespace with a veth pair: what goes into tx comes out
// of rx. The test's goroutine is locked to a thread inside of it.
type lab struct {
	t  testing.TB
	nl *netlink.Handle
	tx int // packet socket
}

func newLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{t: t, tx: -1}
	enterNamespace(t)
	for _, which := range []string{"all", "default"} { // no neighbour discovery among our frames
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+which+"/disable_ipv6", []byte("1"), 0)
	}
	h, err := netlink.NewHandle()
	if err != nil {
		t.Fatal(err)
	}
	l.nl = h
	t.Cleanup(h.Close)
	l.addVeth()
	return l
}

// enterNamespace puts the calling goroutine into a network namespace of its
// own until the end of the test.
func enterNamespace(t testing.TB) {
	t.Helper()
	refuse := t.Skipf
	if os.Getenv("CI") == "true" {
		refuse = t.Fatalf
	}
	runtime.LockOSThread()
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Unshare(unix.CLONE_NEWNET)
	}
	if err != nil {
		runtime.UnlockOSThread()
		refuse("no network namespace: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(unix.Setns(home, unix.CLONE_NEWNET), unix.Close(home)); err != nil {
			t.Error(err)
			return // the thread stays locked and dies with the goroutine
		}
		runtime.UnlockOSThread()
	})
}

func (l *lab) addVeth() {
	l.t.Helper()
	veth := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: "rx"}
	veth.Name = "tx"
	if err := l.nl.LinkAdd(veth); err != nil {
		l.t.Fatal(err)
	}
	l.up("tx")
	l.up("rx")
	l.tx = l.packetSocket("tx")
}

// packetSocket returns a socket that sends frames on the named interface.
func (l *lab) packetSocket(name string) int {
	l.t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: l.link(name).Attrs().Index})
	}
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func (l *lab) link(name string) netlink.Link {
	l.t.Helper()
	link, err := l.nl.LinkByName(name)
	if err != nil {
		l.t.Fatalf("%s: %v", name, err)
	}
	return link
}

func (l *lab) up(name string) {
	l.t.Helper()
	if err := l.nl.LinkSetUp(l.link(name)); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) down(name string) {
	l.t.Helper()
	if err := l.nl.LinkSetDown(l.link(name)); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) send(frame []byte) {
	l.t.Helper()
	for {
		_, err := unix.Write(l.tx, frame)
		if err == unix.ENOBUFS || err == unix.EINTR {
			continue
		}
		if err != nil {
			l.t.Fatalf("send: %v", err)
		}
		return
	}
}

func (l *lab) open(cfg ring.Config) *ring.Ring {
	l.t.Helper()
	if cfg.Interface == "" {
		cfg.Interface = "rx"
	}
	if cfg.RingBytes == 0 {
		cfg.RingBytes, cfg.BlockBytes = 1<<20, 64<<10
	}
	if cfg.Poll == 0 {
		cfg.Poll = 20 * time.Millisecond
	}
	r, err := ring.Open(cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if err := r.Close(); err != nil {
			l.t.Error(err)
		}
	})
	return r
}

// got is a frame with its data copied.
type got struct {
	capture.Frame
	data []byte
}

// read returns the next n frames.
func (l *lab) read(r *ring.Ring, n int) []got {
	l.t.Helper()
	var all []got
	l.until("frames", r, func(fs []got) bool {
		all = append(all, fs...)
		return len(all) >= n
	})
	if len(all) != n {
		l.t.Fatalf("%d frames, want %d", len(all), n)
	}
	return all
}

// until reads from r until done says so; done is also called when a Read
// returned nothing.
func (l *lab) until(what string, r *ring.Ring, done func([]got) bool) {
	l.t.Helper()
	frames := make([]capture.Frame, 64)
	for deadline := time.Now().Add(patience); ; {
		n, err := r.Read(frames)
		if err != nil {
			l.t.Fatal(err)
		}
		fs := make([]got, n)
		for i, f := range frames[:n] {
			fs[i] = got{f, append([]byte(nil), f.Data...)}
		}
		if done(fs) {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("no %s in %v; %+v, %v", what, patience, r.Stats(), r.State())
		}
	}
}

// quiet checks that nothing more is in the ring.
func (l *lab) quiet(r *ring.Ring) {
	l.t.Helper()
	frames := make([]capture.Frame, 4)
	for range 3 {
		if n, err := r.Read(frames); n != 0 || err != nil {
			l.t.Fatalf("Read = %d (%x), %v; want nothing", n, frames[0].Data, err)
		}
	}
}

// numbered is an Ethernet frame of the IEEE's local experimental ethertype
// that carries n, padded to size.
func numbered(n uint32, size int) []byte {
	b := append([]byte{2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0x88, 0xb5}, make([]byte, size-14)...)
	binary.BigEndian.PutUint32(b[14:], n)
	for i := 18; i < size; i++ {
		b[i] = byte(i)
	}
	return b
}

func number(b []byte) uint32 { return binary.BigEndian.Uint32(b[14:]) }
