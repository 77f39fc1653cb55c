package kamailio_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"heptap/scripts/lab"
)

// rig is a mirror that the test itself sends on, and several probes at it,
// each with a collector of its own.
type rig struct {
	*lab.Lab
	mirror, uplink *lab.Switch
	wire           *lab.Host
	sites          int
	tcpdump        *lab.Process
	pcap           string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	for _, program := range []string{"tcpdump", "tshark"} {
		_, err := exec.LookPath(program)
		need(t, err)
	}
	r := &rig{Lab: newLab(t)}
	r.mirror, r.uplink, r.wire = r.sw(t, "mirror"), r.sw(t, "uplink"), r.host(t, "wire")
	r.attach(t, r.wire, r.mirror, "wire", "eth0", "10.88.0.1/24")
	r.witness(t)
	return r
}

// site plugs in another probe and a host for its collector. The mirror is a
// switch that knows nobody, and so sends every frame everywhere.
func (r *rig) site(t *testing.T) *lab.Site {
	t.Helper()
	r.sites++
	probe, collector := fmt.Sprintf("probe%d", r.sites), fmt.Sprintf("coll%d", r.sites)
	s := &lab.Site{Lab: r.Lab, Probe: r.host(t, probe), Collector: r.host(t, collector)}
	r.attach(t, s.Probe, r.uplink, probe, "up0", fmt.Sprintf("10.99.0.%d/24", 10*r.sites+1))
	r.attach(t, s.Collector, r.uplink, collector, "up0", fmt.Sprintf("10.99.0.%d/24", 10*r.sites+2))
	r.attach(t, s.Probe, r.mirror, probe, "span0", fmt.Sprintf("10.88.0.%d/24", 10*r.sites))
	return s
}

func (r *rig) host(t *testing.T, name string) *lab.Host {
	t.Helper()
	h, err := r.Host(name)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (r *rig) sw(t *testing.T, name string) *lab.Switch {
	t.Helper()
	s, err := r.Switch(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (r *rig) attach(t *testing.T, h *lab.Host, sw *lab.Switch, port, dev, addr string) {
	t.Helper()
	if err := h.Attach(sw, port, dev, netip.MustParsePrefix(addr)); err != nil {
		t.Fatal(err)
	}
}

// witness has tcpdump write what is sent to the mirror.
func (r *rig) witness(t *testing.T) {
	t.Helper()
	r.pcap = filepath.Join(r.Dir(), "mirror.pcap")
	cmd := r.wire.Command("tcpdump", "-i", "eth0", "-w", r.pcap, "-U", "-s", "0", "-B", "16384", "-Z", "root", "-p", "udp")
	said := &notice{mark: "listening on", seen: make(chan struct{})}
	cmd.Stderr = said
	var err error
	if r.tcpdump, err = r.Start(cmd); err != nil {
		t.Fatal(err)
	}
	select {
	case <-said.seen:
	case <-r.tcpdump.Done():
		t.Fatalf("tcpdump: %v\n%s", r.tcpdump.Wait(t.Context()), said.text)
	case <-time.After(30 * time.Second):
		t.Fatal("tcpdump does not listen")
	}
}

// notice closes seen when mark is written. One goroutine writes to it.
type notice struct {
	mark string
	seen chan struct{}
	text string
}

func (n *notice) Write(b []byte) (int, error) {
	before := strings.Contains(n.text, n.mark)
	n.text += string(b)
	if !before && strings.Contains(n.text, n.mark) {
		close(n.seen)
	}
	return len(b), nil
}

// send plays frames on the mirror, each at its time after the start.
func (r *rig) send(t *testing.T, frames []frame) {
	t.Helper()
	fd := -1
	err := r.wire.Do(func() (err error) {
		dev, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: dev.Index, Protocol: binary.BigEndian.Uint16([]byte{0, unix.ETH_P_ALL})})
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	start := time.Now()
	for _, f := range frames {
		time.Sleep(time.Until(start.Add(f.at)))
		for {
			_, err := unix.Write(fd, f.octets)
			if err == nil {
				break
			}
			if err != unix.ENOBUFS && err != unix.EINTR {
				t.Fatal(err)
			}
		}
	}
}

// seen is a datagram on the mirror according to tshark.
type seen struct {
	at       time.Time
	src, dst string
	payload  string
	callID   string
	ssrc     string // of RTP
}

// stopWitness ends tcpdump.
func (r *rig) stopWitness(t *testing.T) {
	t.Helper()
	if err := r.tcpdump.Stop(syscall.SIGINT, 20*time.Second); err != nil {
		t.Error(err)
	}
}

// tshark lists what a display filter finds on the mirror.
func (r *rig) tshark(t *testing.T, filter string) (all []seen) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "tshark", "-r", r.pcap, "-Y", filter, "-T", "fields", "-E", "separator=/t", "-E", "occurrence=f",
		"-e", "frame.time_epoch", "-e", "ip.src", "-e", "ipv6.src", "-e", "udp.srcport", "-e", "ip.dst", "-e", "ipv6.dst", "-e", "udp.dstport",
		"-e", "udp.payload", "-e", "sip.Call-ID", "-e", "rtp.ssrc")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 10 {
			t.Fatalf("tshark: %q", line)
		}
		payload, err := hex.DecodeString(strings.ReplaceAll(f[7], ":", ""))
		if err != nil {
			t.Fatalf("tshark: %q: %v", line, err)
		}
		all = append(all, seen{at: epoch(t, f[0]), src: net.JoinHostPort(f[1]+f[2], f[3]), dst: net.JoinHostPort(f[4]+f[5], f[6]),
			payload: string(payload), callID: f[8], ssrc: f[9]})
	}
	return all
}

func epoch(t *testing.T, s string) time.Time {
	t.Helper()
	sec, frac, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(sec, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	ns, err := strconv.ParseInt((frac + "000000000")[:9], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Unix(n, ns)
}
