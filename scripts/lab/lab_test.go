package lab_test

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"heptap/scripts/lab"
	"heptap/scripts/lab/relay"

	"golang.org/x/sys/unix"
)

func TestNothingIsLeftBehind(t *testing.T) {
	s, err := lab.OpenSite(lab.SiteConfig{})
	need(t, err)
	defer s.Close()
	mine := strings.TrimSuffix(s.A.Name(), "a")
	if n := len(labNamespaces(t, mine)); n != 8 {
		t.Errorf("%d namespaces, want 8: two phones, two relays, two switches, probe, collector", n)
	}
	// A program that does not end by itself, and that has a child.
	p, err := s.Start(s.A.Command("sh", "-c", "trap '' TERM; sleep 1000 & echo $!; wait"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if left := labNamespaces(t, mine); left != nil {
		t.Errorf("left: %v", left)
	}
	if _, err := os.Stat(s.Dir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: %v, want it gone", s.Dir(), err)
	}
	if err := syscall.Kill(-p.PID(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process group %d: %v, want it gone", p.PID(), err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// TestSweep makes what a killed lab leaves behind, with a program in it, and
// a namespace of a process that lives.
func TestSweep(t *testing.T) {
	l, err := lab.Open()
	need(t, err)
	defer l.Close()
	living, err := l.Namespace("living")
	if err != nil {
		t.Fatal(err)
	}
	// This process with another beginning: a dead one whose number is in use again.
	pid := strings.Split(living.Name(), "-")[1]
	dead := "htl-" + pid + "-1-1-dead"
	if out, err := exec.Command("ip", "netns", "add", dead).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	orphan := exec.Command("ip", "netns", "exec", dead, "sleep", "1000")
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	waitInside(t, dead)
	dir := filepath.Join(os.TempDir(), "htl-"+pid+"-1-1")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	removed, err := lab.Sweep()
	if err != nil {
		t.Error(err)
	}
	if !slices.Contains(removed, dead) || !slices.Contains(removed, dir) {
		t.Errorf("removed %v, want %s and %s", removed, dead, dir)
	}
	if left := labNamespaces(t, dead); left != nil {
		t.Errorf("left: %v", left)
	}
	if err := orphan.Wait(); err == nil {
		t.Error("the dead lab's program ended by itself, want it killed")
	}
	if len(labNamespaces(t, living.Name())) != 1 {
		t.Error("the namespace of a living process is gone")
	}
}

// waitInside waits until a program runs in the namespace.
func waitInside(t *testing.T, name string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		out, err := exec.Command("ip", "netns", "pids", name).Output()
		if err == nil && len(strings.TrimSpace(string(out))) > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing runs in the namespace")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// spanSocket receives from the probe's interface.
func spanSocket(t *testing.T, s *lab.Site, dev string) int {
	t.Helper()
	fd := -1
	err := s.Probe.Do(func() error {
		ifi, err := net.InterfaceByName(dev)
		if err != nil {
			return err
		}
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20),
			unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: 0x0300, Ifindex: ifi.Index}),
			unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}))
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// frame is a numbered datagram seen on a mirror.
type frame struct {
	port   uint16 // it was sent to
	number uint32
}

// frames reads until nothing comes for a second, and returns how often each
// numbered datagram came.
func frames(fd int) map[frame]int {
	seen := map[frame]int{}
	b := make([]byte, 1<<16)
	for {
		n, err := unix.Read(fd, b)
		if err != nil {
			return seen
		}
		if n >= 46 && b[12] == 8 && b[13] == 0 && b[23] == 17 {
			seen[frame{binary.BigEndian.Uint16(b[36:]), binary.BigEndian.Uint32(b[42:])}]++
		}
	}
}

// sendNumbered sends n datagrams from one phone to the other.
func sendNumbered(t *testing.T, from, to *lab.Host, port uint16, n int, gap time.Duration) {
	t.Helper()
	var conn net.Conn
	err := from.Do(func() (err error) {
		conn, err = net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from.Addr, port)),
			net.UDPAddrFromAddrPort(netip.AddrPortFrom(to.Addr, port)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b := make([]byte, 160)
	for i := range n {
		binary.BigEndian.PutUint32(b, uint32(i))
		_, err := conn.Write(b)
		if errors.Is(err, syscall.ECONNREFUSED) { // nobody listens there, said an earlier one: this one was not sent
			_, err = conn.Write(b)
		}
		if err != nil {
			t.Fatal(err)
		}
		if i%20 == 19 {
			time.Sleep(gap)
		}
	}
}

func TestMirrorHasEveryFrameOnce(t *testing.T) {
	s := newSite(t, lab.SiteConfig{})
	fd := spanSocket(t, s, "span0")
	const n = 5000
	sendNumbered(t, s.A, s.B, 4000, n, time.Millisecond)
	sendNumbered(t, s.B, s.A, 4001, n, time.Millisecond)
	seen := frames(fd)
	if len(seen) != 2*n {
		t.Errorf("%d frames on the mirror, want %d", len(seen), 2*n)
	}
	for id, times := range seen {
		if times != 1 {
			t.Fatalf("%+v came %d times", id, times)
		}
	}
	for _, r := range []*relay.Relay{s.RelayA, s.RelayB} {
		if st := r.Stats(); st.Up.Overruns+st.Down.Overruns+st.Up.Refused+st.Down.Refused != 0 {
			t.Errorf("relay: %+v", st)
		}
	}
}

func TestTapHasOneDirectionOnEachInterface(t *testing.T) {
	s := newSite(t, lab.SiteConfig{Tap: true})
	from, to := spanSocket(t, s, "span0"), spanSocket(t, s, "span1")
	const n = 1000
	sendNumbered(t, s.A, s.B, 4000, n, time.Millisecond)
	sendNumbered(t, s.B, s.A, 4001, n, time.Millisecond)
	for _, c := range []struct {
		name   string
		fd     int
		has    uint16
		hasNot uint16
	}{{"from a", from, 4000, 4001}, {"to a", to, 4001, 4000}} {
		seen := map[uint16]int{}
		for f := range frames(c.fd) {
			seen[f.port]++
		}
		if seen[c.has] != n || seen[c.hasNot] != 0 {
			t.Errorf("%s: %d of its own direction and %d of the other, want %d and 0", c.name, seen[c.has], seen[c.hasNot], n)
		}
	}
}

func TestUplinkIsPulledAndPlugged(t *testing.T) {
	s := newSite(t, lab.SiteConfig{})
	carrier := func() string {
		out, err := exec.Command("ip", "-n", s.Probe.Name(), "-br", "link", "show", "up0").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(out))[1]
	}
	if got := carrier(); got != "UP" {
		t.Errorf("plugged in: %s", got)
	}
	if err := s.Uplink.Pull(); err != nil {
		t.Fatal(err)
	}
	if got := carrier(); got == "UP" {
		t.Errorf("pulled: %s", got)
	}
	if err := s.Uplink.Plug(); err != nil {
		t.Fatal(err)
	}
	var ln net.Listener
	if err := s.Collector.Do(func() (err error) { ln, err = net.Listen("tcp", "10.99.0.2:0"); return err }); err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var conn net.Conn
	if err := s.Probe.Do(func() (err error) {
		conn, err = net.DialTimeout("tcp", ln.Addr().String(), 20*time.Second)
		return err
	}); err != nil {
		t.Fatalf("plugged back: %v", err)
	}
	conn.Close()
}
