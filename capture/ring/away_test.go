package ring_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"heptap/capture"
	"heptap/capture/ring"
)

func TestLinkDownAndUp(t *testing.T) {
	l := newLab(t)
	r := l.open(ring.Config{})
	l.send(numbered(1, 60))
	l.down("rx")
	if f := l.read(r, 1)[0]; number(f.data) != 1 {
		t.Errorf("frame %d", number(f.data))
	}
	state := func(want ring.State) {
		t.Helper()
		l.until("state "+want.String(), r, func([]got) bool { return r.State() == want })
	}
	state(ring.StateDown)
	l.up("rx")
	state(ring.StateUp)
	l.send(numbered(2, 60))
	if f := l.read(r, 1)[0]; number(f.data) != 2 {
		t.Errorf("frame %d", number(f.data))
	}
	l.down("tx")
	state(ring.StateNoCarrier)
	l.up("tx")
	state(ring.StateUp)
	l.send(numbered(3, 60))
	l.read(r, 1)
	if st := r.Stats(); st.Reopens != 1 {
		t.Errorf("%d reopens, want 1", st.Reopens)
	}
}

func TestOpenWhileDown(t *testing.T) {
	l := newLab(t)
	l.down("rx")
	r := l.open(ring.Config{})
	if r.State() != ring.StateDown {
		t.Errorf("state %v", r.State())
	}
	l.up("rx")
	l.until("link", r, func([]got) bool { return r.State() == ring.StateUp })
	l.send(numbered(1, 60))
	l.read(r, 1)
}

func TestInterfaceRecreated(t *testing.T) {
	for name, fanout := range map[string]*ring.Fanout{"bound again": nil, "reopened": {Group: 9}, "reopened, by inner flow": {Group: 11, Inner: true}} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			r := l.open(ring.Config{Fanout: fanout, Filter: compile(t, "not ether host 02:00:00:00:00:77")})
			hidden := numbered(0, 60)
			hidden[5] = 0x77
			for round := range 3 {
				l.send(hidden)
				l.send(numbered(uint32(2*round), 60))
				l.send(numbered(uint32(2*round+1), 60))
				index := l.link("rx").Attrs().Index
				if err := l.nl.LinkDel(l.link("tx")); err != nil {
					t.Fatal(err)
				}
				for i, f := range l.read(r, 2) { // what was in the ring
					if number(f.data) != uint32(2*round+i) {
						t.Errorf("frame %d", number(f.data))
					}
				}
				l.until("loss", r, func([]got) bool { return r.State() == ring.StateGone })
				l.addVeth()
				l.until("return", r, func([]got) bool { return r.State() == ring.StateUp })
				if l.link("rx").Attrs().Index == index {
					t.Fatal("the interface has its old index")
				}
				if n := l.link("rx").Attrs().Promisc; n != 1 {
					t.Errorf("promiscuity %d", n)
				}
				if n := r.Stats().Reopens; n != uint64(round+1) {
					t.Errorf("%d reopens in round %d", n, round)
				}
			}
			l.quiet(r)
			if st := r.Stats(); st.Received != 6 {
				t.Errorf("%+v, want 6 received over all sockets", st)
			}
		})
	}
}

// TestSameIndexAgain covers what an index alone cannot tell apart.
func TestSameIndexAgain(t *testing.T) {
	l := newLab(t)
	r := l.open(ring.Config{})
	index := l.link("rx").Attrs().Index
	if err := l.nl.LinkDel(l.link("tx")); err != nil {
		t.Fatal(err)
	}
	veth := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: "tx"}
	veth.Name, veth.Index = "rx", index
	if err := l.nl.LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	l.up("tx")
	l.up("rx")
	l.until("return", r, func([]got) bool { return r.Stats().Reopens == 1 && r.State() == ring.StateUp })
	fd := l.packetSocket("tx")
	if _, err := unix.Write(fd, numbered(5, 60)); err != nil {
		t.Fatal(err)
	}
	l.read(r, 1)
}

func TestRenamed(t *testing.T) {
	l := newLab(t)
	r := l.open(ring.Config{})
	rx := l.link("rx")
	if err := l.nl.LinkSetName(rx, "other"); err != nil {
		t.Fatal(err)
	}
	l.until("loss", r, func([]got) bool { return r.State() == ring.StateGone })
	if err := l.nl.LinkSetName(rx, "rx"); err != nil {
		t.Fatal(err)
	}
	l.until("return", r, func([]got) bool { return r.State() == ring.StateUp })
	l.send(numbered(1, 60))
	l.read(r, 1)
	l.quiet(r)
}

// TestRecreatedWithoutPrivileges is the probe's child: it opens its rings and
// drops its capabilities.
func TestRecreatedWithoutPrivileges(t *testing.T) {
	l := newLab(t)
	alone := l.open(ring.Config{})
	member := l.open(ring.Config{Fanout: &ring.Fanout{Group: 3}})
	if err := l.nl.LinkDel(l.link("tx")); err != nil {
		t.Fatal(err)
	}
	l.until("loss", alone, func([]got) bool { return alone.State() == ring.StateGone })
	l.addVeth()
	withoutNetRaw(t, func() {
		l.until("return", alone, func([]got) bool { return alone.State() == ring.StateUp })
		frames := make([]capture.Frame, 1)
		for deadline := time.Now().Add(patience); ; {
			_, err := member.Read(frames)
			if errors.Is(err, fs.ErrPermission) && strings.Contains(err.Error(), "CAP_NET_RAW") {
				break
			}
			if err != nil || time.Now().After(deadline) {
				t.Fatalf("member of a fanout group: %v", err)
			}
		}
	})
	l.send(numbered(1, 60))
	l.read(alone, 1)
	l.until("return with the capability", member, func([]got) bool { return member.State() == ring.StateUp })
}

// TestCallsFromElsewhere is for the race detector.
func TestCallsFromElsewhere(t *testing.T) {
	l := newLab(t)
	r := l.open(ring.Config{Fanout: &ring.Fanout{Group: 5}}) // one that is reopened
	pass := compile(t, "not host 192.0.2.1")
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			_, _, _ = r.Stats(), r.State(), r.Geometry()
			if err := r.SetFilter(pass); err != nil {
				ended <- err
				return
			}
		}
	}()
	for i := range 200 {
		l.send(numbered(uint32(i), 200))
	}
	l.read(r, 200)
	if err := l.nl.LinkDel(l.link("tx")); err != nil {
		t.Fatal(err)
	}
	l.until("loss", r, func([]got) bool { return r.State() == ring.StateGone })
	l.addVeth()
	l.until("return", r, func([]got) bool { return r.State() == ring.StateUp })
	close(stop)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
