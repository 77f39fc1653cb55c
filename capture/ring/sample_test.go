package ring_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/ring"
)

// TestSampleOfHidden sends what a filter hides, what it passes, and what is the
// probe's own. Of the first about one in ring.SampleEvery arrives, marked; all of
// the second, not marked; of the last nothing. It is so whatever a snapshot length
// cuts off, also where it cuts as much as the mark does.
func TestSampleOfHidden(t *testing.T) {
	const n = 40_000 // of them some 39 are samples, with a deviation of 6.2
	src, dst := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	udp := func(port uint16, size int) []byte {
		return capturetest.UDP(netip.AddrPortFrom(src, 4000), netip.AddrPortFrom(dst, port), make([]byte, size))
	}
	own := []ring.Endpoint{{Addr: dst, Port: 9060, Proto: capture.ProtoUDP}}
	const overhead = 14 + 20 + 8
	for _, c := range []struct {
		name          string
		snaplen, size int // of a frame
	}{
		{"whole frames", 0, 500},
		{"shorter than the snapshot length", 600, 500},
		{"of the snapshot length", 500, 500},
		{"an octet longer", 499, 500},
		{"longer", 300, 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			filter, err := ring.CompileSampling(own, "udp port 7")
			if err != nil {
				t.Fatal(err)
			}
			r := l.open(ring.Config{Filter: filter, Sampled: true, Snaplen: c.snaplen, RingBytes: 8 << 20})
			whole := c.size
			if c.snaplen > 0 {
				whole = min(whole, c.snaplen)
			}
			go func() {
				for i := range n {
					l.send(udp(9, c.size-overhead))
					l.send(udp(9060, c.size-overhead))
					if i%100 == 0 {
						l.send(udp(7, c.size-overhead))
					}
				}
				l.send(udp(7, c.size-overhead-100)) // the last one
			}()
			hidden, passed := 0, 0
			l.until("last frame", r, func(fs []got) bool {
				for _, f := range fs {
					port := binary.BigEndian.Uint16(f.data[36:])
					switch want := whole; {
					case port == 7 && f.Length == c.size-100:
						return true
					case port == 7 && !f.Hidden && len(f.data) == want:
						passed++
					case port == 9 && f.Hidden && len(f.data) == want-1:
						hidden++
					default:
						t.Fatalf("port %d, hidden %v, %d octets of %d", port, f.Hidden, len(f.data), f.Length)
					}
				}
				return false
			})
			if passed != n/100 || hidden < 8 || hidden > 90 {
				t.Errorf("%d of %d passed, and %d samples of %d", passed, n/100, hidden, n)
			}
			if d := r.Stats().KernelDrops; d != 0 {
				t.Errorf("%d drops", d)
			}
		})
	}
}
