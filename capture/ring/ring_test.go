package ring_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"heptap/capture"
	"heptap/capture/ring"
)

func TestFramesInOrder(t *testing.T) {
	l := newLab(t)
	r := l.open(ring.Config{Port: 7, RingBytes: 8 << 20, BlockBytes: 64 << 10})
	before := time.Now()
	const n = 3000
	go func() {
		for i := range n {
			l.send(numbered(uint32(i), 60+i%1400))
		}
	}()
	var last capture.Frame
	for i, f := range l.read(r, n) {
		if want := numbered(uint32(i), 60+i%1400); !bytes.Equal(f.data, want) {
			t.Fatalf("frame %d: %x, want %x", i, f.data, want)
		}
		if f.Length != len(f.data) || f.Link != capture.LinkEthernet || f.Port != 7 || f.HasVLAN {
			t.Fatalf("frame %d: %+v", i, f.Frame)
		}
		if f.Mono < last.Mono || f.Wall < before.UnixNano() || f.Wall > time.Now().UnixNano() {
			t.Fatalf("frame %d: wall %d, mono %d after %d", i, f.Wall, f.Mono, last.Mono)
		}
		if d := f.Wall - last.Wall - (f.Mono - last.Mono); i > 0 && f.Mono > last.Mono && d != 0 {
			t.Fatalf("frame %d: wall and mono intervals differ by %d ns", i, d)
		}
		last = f.Frame
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	if age := ts.Nano() - last.Mono; age < 0 || age > int64(time.Minute) {
		t.Errorf("the last frame is %d ns old by CLOCK_MONOTONIC", age)
	}
	l.quiet(r)
	if st := r.Stats(); st != (capture.Stats{Received: n}) {
		t.Errorf("stats %+v, want %d received", st, n)
	}
}

func TestVLANRestored(t *testing.T) {
	l := newLab(t)
	r := l.open(ring.Config{})
	tagged := func(tags ...byte) []byte {
		f := numbered(1, 80)
		return append(append(append([]byte(nil), f[:12]...), tags...), f[12:]...)
	}
	for _, c := range []struct {
		name      string
		tags      []byte
		has       bool
		tci, tpid uint16
		inner     []byte // tags left in the data
	}{
		{"none", nil, false, 0, 0, nil},
		{"802.1Q", []byte{0x81, 0, 0x60, 100}, true, 0x6064, 0x8100, nil},
		{"priority tag of class 0", []byte{0x81, 0, 0, 0}, true, 0, 0x8100, nil},
		{"802.1ad", []byte{0x88, 0xa8, 0x00, 7}, true, 7, 0x88a8, nil},
		{"QinQ", []byte{0x88, 0xa8, 0x00, 7, 0x81, 0, 0, 9}, true, 7, 0x88a8, []byte{0x81, 0, 0, 9}},
	} {
		l.send(tagged(c.tags...))
		f := l.read(r, 1)[0]
		if f.HasVLAN != c.has || f.VLANTCI != c.tci || f.VLANTPID != c.tpid {
			t.Errorf("%s: has %v tci %#x tpid %#x", c.name, f.HasVLAN, f.VLANTCI, f.VLANTPID)
		}
		if want := tagged(c.inner...); !bytes.Equal(f.data, want) {
			t.Errorf("%s: data %x, want %x", c.name, f.data, want)
		}
	}
}

func TestSnaplen(t *testing.T) {
	l := newLab(t)
	r := l.open(ring.Config{Snaplen: 96})
	l.send(numbered(1, 1000))
	if f := l.read(r, 1)[0]; len(f.data) != 96 || f.Length != 1000 {
		t.Errorf("%d octets of %d", len(f.data), f.Length)
	}
	// A filter that passes everything must not undo it.
	if err := r.SetFilter([]bpf.RawInstruction{{Op: 0x06, K: 0xffffffff}}); err != nil {
		t.Fatal(err)
	}
	l.send(numbered(1, 1000))
	if f := l.read(r, 1)[0]; len(f.data) != 96 {
		t.Errorf("%d octets with a filter", len(f.data))
	}
}

func TestDropsAreCounted(t *testing.T) {
	l := newLab(t)
	r := l.open(ring.Config{RingBytes: 16 << 10, BlockBytes: 8 << 10})
	const n = 500
	for i := range n {
		l.send(numbered(uint32(i), 1000))
	}
	delivered, last := 0, -1
	l.until("account", r, func(fs []got) bool {
		for _, f := range fs {
			if n := int(number(f.data)); n <= last {
				t.Fatalf("frame %d after %d", n, last)
			} else {
				last = n
			}
		}
		delivered += len(fs)
		return len(fs) == 0 && r.Stats().Received == n
	})
	st := r.Stats()
	if st.KernelDrops == 0 || st.Freezes == 0 || uint64(delivered) != st.Received-st.KernelDrops {
		t.Errorf("delivered %d, %+v", delivered, st)
	}
}

// TestBorrowedUntilNextRead floods a ring of two blocks while frames are held.
func TestBorrowedUntilNextRead(t *testing.T) {
	l := newLab(t)
	r := l.open(ring.Config{RingBytes: 16 << 10, BlockBytes: 8 << 10})
	for i := range 100 {
		l.send(numbered(uint32(i), 1000))
	}
	frames := make([]capture.Frame, 64)
	n, err := r.Read(frames)
	if err != nil || n == 0 || n == len(frames) {
		t.Fatalf("Read = %d, %v", n, err)
	}
	for i := range 200 {
		l.send(numbered(uint32(1000+i), 1000))
	}
	for i, f := range frames[:n] {
		if !bytes.Equal(f.Data, numbered(uint32(i), 1000)) {
			t.Fatalf("frame %d was overwritten while borrowed", i)
		}
	}
}

func TestOutgoingIgnored(t *testing.T) {
	l := newLab(t)
	for _, outgoing := range []bool{false, true} {
		r := l.open(ring.Config{Interface: "tx", Outgoing: outgoing})
		l.send(numbered(1, 60))
		if outgoing {
			l.read(r, 1)
		} else {
			l.quiet(r)
		}
	}
}

func TestPromiscuousEndsWithRing(t *testing.T) {
	l := newLab(t)
	r := l.open(ring.Config{})
	if n := l.link("rx").Attrs().Promisc; n != 1 {
		t.Errorf("promiscuity %d while open", n)
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	if n := l.link("rx").Attrs().Promisc; n != 0 {
		t.Errorf("promiscuity %d after Close", n)
	}
	if _, err := r.Read(make([]capture.Frame, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
}

func TestFanoutSeesEveryFrameOnce(t *testing.T) {
	l := newLab(t)
	cfg := ring.Config{Fanout: &ring.Fanout{Group: 42, Defrag: true, Rollover: true}}
	rings := []*ring.Ring{l.open(cfg), l.open(cfg)}
	const flows, each = 64, 10
	for i := range each {
		for f := range flows {
			l.send(packet{src: "192.0.2.1", dst: "192.0.2.2", proto: capture.ProtoUDP,
				sport: uint16(10000 + f), dport: 5060, payload: []byte{byte(f), byte(i)}}.frame())
		}
	}
	seen, where, total := map[[2]byte]int{}, map[byte]*ring.Ring{}, 0
	share := map[*ring.Ring]int{}
	for deadline := time.Now().Add(patience); total < flows*each && time.Now().Before(deadline); {
		for _, r := range rings {
			frames := make([]capture.Frame, 64)
			n, err := r.Read(frames)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range frames[:n] {
				id := [2]byte{f.Data[42], f.Data[43]}
				if w := where[id[0]]; w != nil && w != r {
					t.Errorf("flow %d on both rings", id[0])
				}
				where[id[0]] = r
				seen[id]++
				share[r]++
			}
			total += n
		}
	}
	for _, r := range rings {
		l.quiet(r)
		if share[r] == 0 {
			t.Error("a ring without frames")
		}
	}
	if len(seen) != flows*each || total != flows*each {
		t.Errorf("%d different frames, %d in all, want %d", len(seen), total, flows*each)
	}
}

func TestFragmentedMemory(t *testing.T) {
	newLab(t)
	cfg := ring.Config{Interface: "rx", RingBytes: 4 << 20, BlockBytes: 1 << 20}
	page := uint32(os.Getpagesize())
	for _, c := range []struct {
		name              string
		maxBlock, maxRing uint32
		want              ring.Geometry
	}{
		{"plenty", 1 << 30, 1 << 30, ring.Geometry{BlockBytes: 1 << 20, Blocks: 4}},
		{"small blocks", 128 << 10, 1 << 30, ring.Geometry{BlockBytes: 128 << 10, Blocks: 32}},
		{"single pages", page, 1 << 30, ring.Geometry{BlockBytes: int(page), Blocks: 4 << 20 / int(page)}},
		{"a quarter", 1 << 30, 1 << 20, ring.Geometry{BlockBytes: 512 << 10, Blocks: 2}},
	} {
		r, err := ring.OpenShort(cfg, c.maxBlock, c.maxRing)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if g := r.Geometry(); g != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, g, c.want)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := ring.OpenShort(cfg, page-1, 1<<30); !errors.Is(err, unix.ENOMEM) {
		t.Errorf("no memory at all: %v", err)
	}
}

func TestLoopbackAndRawIP(t *testing.T) {
	l := newLab(t)
	l.up("lo")
	lo := l.open(ring.Config{Interface: "lo"})
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, []byte("hello"), 0, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if f := l.read(lo, 2)[0]; f.Link != capture.LinkEthernet || len(f.data) != 14+20+8+5 {
		t.Errorf("loopback: link %d, %d octets", f.Link, len(f.data))
	}

	tun := &netlink.Tuntap{LinkAttrs: netlink.NewLinkAttrs(), Mode: netlink.TUNTAP_MODE_TUN, Flags: netlink.TUNTAP_NO_PI}
	tun.Name, tun.Queues, tun.NonPersist = "tun9", 1, true
	if err := l.nl.LinkAdd(tun); err != nil {
		t.Skip("no tun device here: ", err)
	}
	t.Cleanup(func() { tun.Fds[0].Close() })
	l.up("tun9")
	raw := l.open(ring.Config{Interface: "tun9", Filter: compile(t, "udp port 5060")})
	p := packet{src: "192.0.2.1", dst: "192.0.2.2", proto: capture.ProtoUDP, sport: 1, dport: 5060, payload: []byte("x")}
	other := p
	other.dport = 5070
	for _, q := range []packet{other, p} {
		if _, err := tun.Fds[0].Write(q.frame()[14:]); err != nil {
			t.Fatal(err)
		}
	}
	f := l.read(raw, 1)[0]
	if f.Link != capture.LinkRaw || !bytes.Equal(f.data, p.frame()[14:]) {
		t.Errorf("tun: link %d, %x", f.Link, f.data)
	}
	l.quiet(raw)
}

func TestOpenErrorsSayWhatToDo(t *testing.T) {
	newLab(t)
	_, err := ring.Open(ring.Config{Interface: "eth9"})
	if !errors.Is(err, unix.ENODEV) || !strings.Contains(err.Error(), "there are: ") || !strings.Contains(err.Error(), "rx") {
		t.Errorf("unknown interface: %v", err)
	}
	if _, err = ring.Open(ring.Config{}); err == nil || !strings.Contains(err.Error(), "rx") {
		t.Errorf("no interface: %v", err)
	}
	if _, err = ring.Open(ring.Config{Interface: "rx", RingBytes: -1}); err == nil {
		t.Error("negative size accepted")
	}
}

// withoutNetRaw runs do without CAP_NET_RAW. Capabilities belong to the
// thread, which is locked; this one comes back from the permitted set.
func withoutNetRaw(t *testing.T, do func()) {
	t.Helper()
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var full [2]unix.CapUserData
	if err := unix.Capget(&hdr, &full[0]); err != nil {
		t.Fatal(err)
	}
	less := full
	less[0].Effective &^= 1 << unix.CAP_NET_RAW
	if err := unix.Capset(&hdr, &less[0]); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Capset(&hdr, &full[0]); err != nil {
			t.Error(err)
		}
	}()
	do()
}

func TestNoPermission(t *testing.T) {
	newLab(t)
	withoutNetRaw(t, func() {
		_, err := ring.Open(ring.Config{Interface: "rx"})
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "CAP_NET_RAW") {
			t.Errorf("got %v", err)
		}
	})
}

func TestCloseLeavesNoDescriptor(t *testing.T) {
	newLab(t)
	count := func() int {
		t.Helper()
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before := count()
	for range 5 {
		r, err := ring.Open(ring.Config{Interface: "rx", RingBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := ring.Open(ring.Config{Interface: "rx", RingBytes: 1 << 20, Filter: []bpf.RawInstruction{{Op: 0xffff}}}); err == nil {
			t.Fatal("the kernel took nonsense")
		}
	}
	if after := count(); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

// A device that cannot stamp frames, as veth, is captured with the system's clock, and says so.
func TestNoHardwareTimestamps(t *testing.T) {
	l := newLab(t)
	r := l.open(ring.Config{HardwareTime: true})
	before := time.Now()
	l.send(numbered(1, 60))
	f := l.read(r, 1)[0]
	if f.Wall < before.UnixNano() || f.Wall > time.Now().UnixNano() {
		t.Errorf("wall %d", f.Wall)
	}
	st := r.Timestamps()
	if !st.Wanted || st.Hardware || st.Stamped != 0 || !strings.Contains(st.Reason, "hardware timestamps") {
		t.Errorf("%+v", st)
	}
	t.Log(st.String())
}
