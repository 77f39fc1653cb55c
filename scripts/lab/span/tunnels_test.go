package span_test

import (
	"net/netip"
	"testing"

	"heptap/capture/capturetest"
	"heptap/scripts/lab"
)

const callsEach = 5

// through makes calls, checks that the mirror has what filter says, and that
// the collector has what was sent.
func through(t *testing.T, s *scene, a, b netip.Addr, filter string, args ...string) {
	t.Helper()
	r := s.calls(t, callsEach, a, b)
	s.settle(t, len(r.Streams))
	records, m := s.finish(t)
	same(t, "tshark, of what was sent", sent(r), s.seen(t, args...))
	if got := s.count(t, filter, args...); got < len(r.Messages) {
		t.Errorf("tshark finds %d frames with %s, want %d at least", got, filter, len(r.Messages))
	}
	same(t, "collector", sent(r), delivered(t, records))
	checkReports(t, generated(r), records)
	unaccused(t, m)
}

// TestKernelVXLAN has the kernels of the phones put their calls into VXLAN.
func TestKernelVXLAN(t *testing.T) {
	t.Parallel()
	a, b := netip.MustParsePrefix("10.78.0.1/24"), netip.MustParsePrefix("10.78.0.2/24")
	s := newScene(t, lab.SiteConfig{}, func(s *lab.Site) {
		for _, end := range []struct {
			at, peer *lab.Host
			addr     netip.Prefix
		}{{s.A, s.B, a}, {s.B, s.A, b}} {
			run(t, s, end.at, "ip", "link", "add", "vxlan0", "type", "vxlan", "id", "4711", "dstport", "4789",
				"local", end.at.Addr.String(), "remote", end.peer.Addr.String(), "dev", "eth0")
			run(t, s, end.at, "ip", "addr", "add", end.addr.String(), "dev", "vxlan0")
			run(t, s, end.at, "ethtool", "-K", "vxlan0", "tx", "off", "tso", "off", "gso", "off", "gro", "off")
			run(t, s, end.at, "ip", "link", "set", "vxlan0", "up")
		}
	})
	through(t, s, a.Addr(), b.Addr(), "vxlan.vni == 4711 && sip")
}

// TestSmallMTU has the kernels of the phones cut SIP into fragments.
func TestSmallMTU(t *testing.T) {
	t.Parallel()
	s := newScene(t, lab.SiteConfig{}, func(s *lab.Site) {
		for _, h := range []*lab.Host{s.A, s.B} {
			run(t, s, h, "ip", "link", "set", "eth0", "mtu", "260")
		}
	})
	through(t, s, s.A.Addr, s.B.Addr, "ip.flags.mf == 1")
}

// TestTunnels has a relay wrap what the mirror sends.
func TestTunnels(t *testing.T) {
	wrap := func(tunnels ...capturetest.Tunnel) func([]byte) [][]byte {
		return func(frame []byte) [][]byte {
			for _, tu := range tunnels {
				if !tu.Fits(frame) {
					return nil // ARP has no place in IP
				}
				frame = tu.Wrap(frame)
			}
			return [][]byte{frame}
		}
	}
	type tunnel = capturetest.Tunnel
	for _, c := range []struct {
		name   string
		change func([]byte) [][]byte
		filter string
		args   []string
	}{
		{"vlan", wrap(tunnel{Kind: capturetest.KindVLAN, ID: 100}), "vlan.id == 100 && sip", nil},
		{"qinq", wrap(tunnel{Kind: capturetest.KindQinQ, ID: 200}), "ieee8021ad && vlan && sip", nil},
		{"gre", wrap(tunnel{Kind: capturetest.KindGRE, ID: 77}), "gre.key == 77 && sip", nil},
		{"erspan", wrap(tunnel{Kind: capturetest.KindERSPAN2, ID: 9}), "erspan.spanid == 9 && sip", nil},
		{"erspan3", wrap(tunnel{Kind: capturetest.KindERSPAN3, ID: 9}), "erspan && sip", nil},
		{"geneve", wrap(tunnel{Kind: capturetest.KindGeneve, ID: 5}), "geneve.vni == 5 && sip", nil},
		{"mpls", wrap(tunnel{Kind: capturetest.KindMPLS, ID: 16}), "mpls && sip", nil},
		{"nested", wrap(tunnel{Kind: capturetest.KindVLAN, ID: 100}, tunnel{Kind: capturetest.KindERSPAN2, ID: 3},
			tunnel{Kind: capturetest.KindMPLS, ID: 17}, tunnel{Kind: capturetest.KindVXLAN, ID: 42}), "vxlan.vni == 42 && mpls && erspan && vlan && sip", nil},
		{"fragments", cut(tunnel{Kind: capturetest.KindERSPAN2, ID: 9}, 280), "ip.flags.mf == 1", nil},
		{"sctp", (&sctp{}).carry, "sctp && sip", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, lab.SiteConfig{Span: c.change}, nil)
			through(t, s, s.A.Addr, s.B.Addr, c.filter, c.args...)
		})
	}
}
