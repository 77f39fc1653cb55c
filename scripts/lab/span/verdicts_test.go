package span_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
	"heptap/scripts/lab/relay"
	"heptap/scripts/lab/sipp"
	"heptap/scripts/lab/traffic"
)

// Names of verdicts, as capture/mirror has them.
const (
	oneDirection = "one direction"
	cutFrames    = "cut frames"
	mirrorDrops  = "mirror drops"
	doubled      = "doubled"
	tooEarly     = "too early"
	healthy      = "healthy"
)

// accusing are the verdicts that say that the mirror is wrong, if they are more
// than a note.
var accusing = []string{"no link", "no frames", "not a mirror port", oneDirection, cutFrames, mirrorDrops, doubled, "sip without rtp", "rtp without sip"}

// verdicts returns what the probe says of span0: the severity of each verdict.
func verdicts(m box.Metrics) map[string]string {
	all := map[string]string{}
	for key := range m {
		name, labels, _ := strings.Cut(key, "{")
		if name == "heptap_mirror_verdict" && label(labels, "port") == "span0" {
			all[label(labels, "verdict")] = label(labels, "severity")
		}
	}
	return all
}

func label(labels, name string) string {
	_, rest, _ := strings.Cut(labels, name+`="`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// unaccused checks that the mirror is said to be good, or not yet judged, apart
// from the verdicts given.
func unaccused(t *testing.T, m box.Metrics, but ...string) {
	t.Helper()
	all := verdicts(m)
	if len(all) == 0 {
		t.Error("no verdict on the mirror")
	}
	for v, severity := range all {
		if slices.Contains(accusing, v) && (severity == "warning" || severity == "fault") && !slices.Contains(but, v) {
			t.Errorf("the mirror is said to be: %s (%s)", v, severity)
		}
	}
}

// await waits for a verdict.
func (s *scene) await(t *testing.T, verdict string, patience time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		all := verdicts(s.metrics(t))
		if _, ok := all[verdict]; ok {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("after %v the mirror is said to be %v, want %s", patience, all, verdict)
			return
		}
	}
}

// verdict calls over TCP and UDP and wants a verdict, and no other accusation.
func (s *scene) verdict(t *testing.T, want string) (said []box.Message, records []box.Record) {
	t.Helper()
	said = s.sipp(t, sipp.Config{Calls: 72, PerSecond: 24, Talk: 3 * time.Second, Transport: "tn"})
	s.await(t, want, 8*time.Second)
	records, m := s.finish(t)
	unaccused(t, m, want)
	return said, records
}

// TestOneDirectionUnplugged has a TAP of which one cable is not plugged in.
func TestOneDirectionUnplugged(t *testing.T) {
	t.Parallel()
	s := newScene(t, lab.SiteConfig{Tap: true}, nil)
	said, records := s.verdict(t, oneDirection)
	half := slices.DeleteFunc(said, func(m box.Message) bool { return m.Src != s.A.Addr.String() })
	seen := s.seen(t)
	same(t, "tshark, of what the caller sent", half, portless(seen))
	if n := s.count(t, "!icmp && ip.src == "+s.B.Addr.String()); n != 0 {
		t.Errorf("%d packets of the other direction", n)
	}
	same(t, "collector", seen, delivered(t, records))
}

// TestDoubled has mirrors that send everything twice.
func TestDoubled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		cfg  lab.SiteConfig
		both bool
	}{
		{"both directions of both ports", lab.SiteConfig{}, true},
		{"before and behind a router", lab.SiteConfig{Span: routed}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, c.cfg, func(s *lab.Site) {
				if c.both {
					mirrorEgress(t, s)
				}
			})
			r := s.calls(t, 2*callsEach, s.A.Addr, s.B.Addr)
			s.settle(t, len(r.Streams))
			s.await(t, doubled, 8*time.Second)
			records, m := s.finish(t)
			unaccused(t, m, doubled)
			same(t, "tshark, of what was sent, twice", slices.Concat(sent(r), sent(r)), s.seen(t))
			same(t, "collector", sent(r), delivered(t, records))
			checkReports(t, generated(r), records)
		})
	}
}

func mirrorEgress(t *testing.T, s *lab.Site) {
	t.Helper()
	if err := s.Switch.MirrorEgress("span0", "a", "b"); err != nil {
		t.Fatal(err)
	}
}

// TestDoubledOverTCP is the same for connections.
func TestDoubledOverTCP(t *testing.T) {
	t.Parallel()
	s := newScene(t, lab.SiteConfig{}, func(s *lab.Site) { mirrorEgress(t, s) })
	said, records := s.verdict(t, doubled)
	s.seen(t)
	// The same segment again is a retransmission to tshark.
	if n := s.count(t, "tcp.analysis.retransmission"); n < len(said)/2 {
		t.Errorf("tshark finds %d segments twice", n)
	}
	same(t, "collector", said, portless(delivered(t, records)))
}

// TestCutFrames has a mirror that sends the beginning of frames.
func TestCutFrames(t *testing.T) {
	t.Parallel()
	const most = 128
	s := newScene(t, lab.SiteConfig{Span: func(frame []byte) [][]byte { return [][]byte{frame[:min(len(frame), most)]} }}, nil)
	s.verdict(t, cutFrames)
	s.seen(t)
	if n := s.count(t, "udp && ip.len > 114 && frame.len == 128"); n < 1000 {
		t.Errorf("tshark finds %d datagrams cut", n)
	}
}

// TestOverloadedMirror has a mirror that loses what the phones receive.
func TestOverloadedMirror(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 3))
	s := newScene(t, lab.SiteConfig{Span: func(frame []byte) [][]byte {
		if random.Float64() < .1 {
			return nil
		}
		return [][]byte{frame}
	}}, nil)
	said, records := s.verdict(t, mirrorDrops)
	s.seen(t)
	if st := s.Span.Stats(); st.None < 100 {
		t.Errorf("relay at the mirror: %+v", st)
	}
	if n := s.count(t, "tcp.analysis.ack_lost_segment || tcp.analysis.lost_segment"); n < 10 {
		t.Errorf("tshark finds %d gaps", n)
	}
	// Of what came through, nothing may be garbage, and nothing be there twice.
	d := box.Compare(said, portless(delivered(t, records)))
	if len(d.Extra)+len(d.Again) != 0 || len(d.Missing) > len(said)/2 {
		t.Errorf("of %d messages %d are missing; too many %v, unknown %v", len(said), len(d.Missing), d.Again, d.Extra)
	}
}

// TestLossyNetwork has a network that loses packets before the mirror and
// behind it, and phones that tell. The mirror is good.
func TestLossyNetwork(t *testing.T) {
	t.Parallel()
	loss := relay.Impairment{Loss: .04, Others: .08}
	bad := relay.Config{Seed: 8, MinPort: mediaFrom, MaxPort: mediaFrom + 999, Up: loss, Down: loss}
	s := newScene(t, lab.SiteConfig{RelayA: bad, RelayB: relay.Config{MinPort: bad.MinPort, MaxPort: bad.MaxPort}}, nil)
	const n = 16
	for _, h := range []*lab.Host{s.A, s.B} {
		// The first call's ports are sipp's own.
		p, err := traffic.NewPhone(traffic.Side{Space: h, Addr: h.Addr}, mediaFrom+4, n-1, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
	}
	said := s.sipp(t, sipp.Config{Calls: n, PerSecond: 16, Talk: 2 * time.Second, Transport: "tn"})
	// sipp answers with RTP when it has the ACK. One that was lost until the BYE
	// came leaves its call without: what the relays have seen is the truth.
	streams := len(relayed(s.Site))
	if streams < 2*n-4 {
		t.Errorf("%d streams, want nearly %d", streams, 2*n)
	}
	s.settle(t, streams)
	if long() {
		s.await(t, healthy, 90*time.Second)
	} else {
		s.await(t, tooEarly, 8*time.Second)
	}
	records, m := s.finish(t)
	unaccused(t, m)
	s.seen(t)
	if n := s.count(t, "tcp.analysis.retransmission"); n < 10 {
		t.Errorf("tshark finds %d segments sent again", n)
	}
	if up, down := s.RelayA.Stats().Up, s.RelayA.Stats().Down; up.Others < 10 || down.Others < 10 {
		t.Errorf("the relay lost %d and %d packets", up.Others, down.Others)
	}
	same(t, "collector", said, portless(delivered(t, records)))
	checkReports(t, relayed(s.Site), records)
}
