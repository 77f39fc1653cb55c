package kamailio_test

import (
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"heptap/hep/heptest"
	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
	"heptap/scripts/lab/kamailio"
)

const authKey = "s3cret with blanks"

// TestWhatKamailioReceives has four probes watch a mirror with calls over
// IPv4 and IPv6, and send to a Kamailio over TCP, to one over TLS, to one over UDP, and
// to one with a database, which takes UDP only. Every record must have reached each of them, and say what
// was on the mirror: according to the generator, and to tcpdump and tshark.
func TestWhatKamailioReceives(t *testing.T) {
	r := newRig(t)
	ctx := within(t, 2*time.Minute)
	overTCP, overTLS, overUDP, storing := r.site(t), r.site(t), r.site(t), r.site(t)
	tcp, err := kamailio.Start(ctx, r.Lab, overTCP.Collector, box.CollectorAddr(overTCP))
	need(t, err)
	authority, dir := heptest.NewAuthority(t, "lab"), t.TempDir()
	certificate, key := heptest.Files(t, dir, authority.Issue(t, heptest.Certificate{Names: []string{overTLS.Collector.Addr.String()}}))
	tls, err := kamailio.StartTLS(ctx, r.Lab, overTLS.Collector, box.CollectorAddr(overTLS), certificate, key)
	need(t, err)
	udp, err := kamailio.Start(ctx, r.Lab, overUDP.Collector, box.CollectorAddr(overUDP))
	need(t, err)
	store, err := kamailio.StartStore(ctx, r.Lab, storing.Collector, box.CollectorAddr(storing))
	need(t, err)
	probes := []*box.Box{
		r.probe(t, overTCP, `set collector central auth-key "`+authKey+`"`),
		r.probe(t, overTLS, "set collector central transport tls", "set collector central tls-ca "+authority.File(t, dir)),
		r.probe(t, overUDP, "set collector central transport udp"),
		r.probe(t, storing, "set collector central transport udp"),
	}

	p := calls(24)
	r.send(t, p.frames)
	for _, b := range probes {
		finish(t, b, p)
	}
	r.stopWitness(t)
	w := r.watched(t)
	check(t, "TCP", p, w, tcp, authKey)
	check(t, "TLS", p, w, tls, "")
	check(t, "UDP", p, w, udp, "")
	checkStore(t, p, w, store)
	for name, s := range map[string]*kamailio.Server{"TCP": tcp, "TLS": tls, "UDP": udp, "SQLite": store.Server} {
		if err := s.Stop(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// probe starts a probe.
func (r *rig) probe(t *testing.T, s *lab.Site, lines ...string) *box.Box {
	t.Helper()
	lines = append(lines, "set capture span0 interface span0", "set spool path "+filepath.Join(r.Dir(), "spool-"+s.Probe.Name()))
	b, err := box.Start(within(t, time.Minute), s, box.Config{Binary: binaryPath(t), Foreign: true, Lines: lines})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// finish ends a probe when it has reported on all calls and sent everything.
func finish(t *testing.T, b *box.Box, p *plan) {
	t.Helper()
	ctx := within(t, time.Minute)
	eventually(t, "calls are still followed", func() bool {
		m, err := b.Metrics(ctx)
		return err == nil && m.Sum("heptap_rtp_reports_total", `kind="final"`) >= float64(len(p.media)) && m.Sum("heptap_calls") == 0
	})
	m, err := b.Metrics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if n := m.Sum("heptap_frames_decoded_total"); n != float64(len(p.frames)) {
		t.Errorf("%v frames decoded, %d sent", n, len(p.frames))
	}
	if err := b.Settled(ctx); err != nil {
		t.Error(err)
	}
	if err := b.StopProbe(); err != nil {
		t.Errorf("%v\n%s", err, b.Log())
	}
}

// witnessed is what tshark finds on the mirror.
type witnessed struct{ sip, rtcp, rtp []seen }

func (r *rig) watched(t *testing.T) witnessed {
	t.Helper()
	return witnessed{r.tshark(t, "sip"), r.tshark(t, "rtcp"), r.tshark(t, "rtp")}
}

// check compares what a Kamailio has received with what was on the mirror.
func check(t *testing.T, how string, p *plan, w witnessed, s *kamailio.Server, auth string) {
	t.Run(how, func(t *testing.T) {
		got := packets(t, s, len(p.sip)+len(p.rtcp)+len(p.media))
		types := map[int][]kamailio.Packet{}
		for _, k := range got {
			types[k.Type] = append(types[k.Type], k)
			family := 2
			if strings.HasPrefix(k.Src, "[") {
				family = 10
			}
			if k.Version != 3 || k.Proto != 17 || k.Family != family || k.Agent != 2001 || k.Auth != auth || k.Micros > 999_999 {
				k.Payload = nil
				t.Errorf("%+v", k)
			}
		}
		if len(types) != 3 {
			t.Errorf("%d types of record", len(types))
		}
		checkSIP(t, p, w.sip, types[box.TypeSIP])
		checkRTCP(t, p, w.rtcp, types[box.TypeRTCP])
		checkReports(t, p, w.rtp, types[box.TypeReport])
	})
}

// packets returns what Kamailio has read, once it is n, or too few for long.
func packets(t *testing.T, s *kamailio.Server, n int) (all []kamailio.Packet) {
	t.Helper()
	eventually(t, fmt.Sprintf("less than %d packets", n), func() bool {
		var err error
		if all, err = s.Packets(); err != nil {
			t.Fatal(err)
		}
		return len(all) >= n
	})
	return all
}

func at(p kamailio.Packet) time.Time { return time.Unix(p.Seconds, 1000*p.Micros) }

// near says whether two times are the same, but that two sockets took them.
func near(a, b time.Time) bool { return a.Sub(b).Abs() < time.Second }

// checkSIP compares the SIP that Kamailio has with what was sent, and with
// what tshark found.
func checkSIP(t *testing.T, p *plan, found []seen, got []kamailio.Packet) {
	t.Helper()
	wire := map[string]seen{}
	for _, s := range found {
		wire[s.src+s.payload] = s
	}
	left := map[string]int{}
	for _, d := range p.sip {
		left[d.src+" "+d.dst+" "+d.callID+" "+d.payload]++
	}
	for _, k := range got {
		left[k.Src+" "+k.Dst+" "+k.Correlation+" "+string(k.Payload)]--
		s, ok := wire[k.Src+string(k.Payload)]
		if !ok || s.dst != k.Dst || s.callID != k.Correlation || !near(s.at, at(k)) {
			t.Errorf("tshark sees %+v, Kamailio has %+v", s, k)
		}
	}
	for d, n := range left {
		if n != 0 {
			t.Errorf("SIP: %+d of sent to Kamailio's: %q", n, d)
		}
	}
	if len(got) != len(found) || len(got) != len(p.sip) {
		t.Errorf("SIP: Kamailio has %d, tshark finds %d, %d were sent", len(got), len(found), len(p.sip))
	}
}

// checkRTCP compares the RTCP records with the sender reports that were sent,
// and their number with tshark's.
func checkRTCP(t *testing.T, p *plan, found []seen, got []kamailio.Packet) {
	t.Helper()
	key := func(src, dst, id string, r report) string { return fmt.Sprintf("%s %s %s %+v", src, dst, id, r) }
	left := map[string]int{}
	for _, d := range p.rtcp {
		left[key(d.src, d.dst, d.callID, d.sender)]++
	}
	times := map[string][]time.Time{}
	for _, s := range found {
		times[s.src] = append(times[s.src], s.at)
	}
	for _, k := range got {
		var j struct {
			Type int    `json:"type"`
			SSRC uint32 `json:"ssrc"`
			Info struct {
				Seconds  uint32 `json:"ntp_timestamp_sec"`
				Fraction uint32 `json:"ntp_timestamp_usec"`
				RTP      uint32 `json:"rtp_timestamp"`
				Packets  uint32 `json:"packets"`
				Octets   uint32 `json:"octets"`
			} `json:"sender_information"`
		}
		if err := json.Unmarshal(k.Payload, &j); err != nil || j.Type != 200 {
			t.Errorf("RTCP: %v: %s", err, k.Payload)
		}
		left[key(k.Src, k.Dst, k.Correlation, report{j.SSRC, j.Info.Packets, j.Info.Octets, j.Info.Seconds, j.Info.Fraction, j.Info.RTP})]--
		ok := false
		for _, at2 := range times[k.Src] {
			ok = ok || near(at2, at(k))
		}
		if !ok {
			t.Errorf("RTCP from %s at %v: tshark has it at %v", k.Src, at(k), times[k.Src])
		}
	}
	for d, n := range left {
		if n != 0 {
			t.Errorf("RTCP: %+d of sent to Kamailio's: %s", n, d)
		}
	}
	if len(got) != len(found) || len(got) != len(p.rtcp) {
		t.Errorf("RTCP: Kamailio has %d, tshark finds %d, %d were sent", len(got), len(found), len(p.rtcp))
	}
}

// checkReports compares the final report of each stream with what was sent,
// and with what tshark counts.
func checkReports(t *testing.T, p *plan, found []seen, got []kamailio.Packet) {
	t.Helper()
	counted := map[string]uint64{}
	for _, s := range found {
		counted[s.ssrc]++
	}
	reports := map[string]kamailio.Packet{}
	for _, k := range got {
		reports[k.Src+" "+k.Dst] = k
	}
	for _, m := range p.media {
		k, ok := reports[m.src.String()+" "+m.dst.String()]
		rec := box.Record{Payload: string(k.Payload)}
		j, err := rec.Report()
		ssrc := fmt.Sprintf("0x%08x", m.ssrc)
		if !ok || err != nil || j.Type != "FINAL" || j.SSRC != ssrc || j.CallID != m.callID || k.Correlation != m.callID ||
			j.SrcIP != m.src.Addr().String() || j.SrcPort != m.src.Port() || j.DstIP != m.dst.Addr().String() || j.DstPort != m.dst.Port() {
			t.Errorf("%+v: %v, report %+v in %+v", m, err, j, k)
			continue
		}
		if j.Expected != m.expected || j.Lost != m.lost || j.Packets != m.expected-m.lost || j.Packets != counted[ssrc] {
			t.Errorf("%+v: tshark counts %d, report %+v", m, counted[ssrc], j)
		}
	}
	if len(got) != len(p.media) || len(counted) != len(p.media) {
		t.Errorf("Kamailio has %d reports, tshark finds %d streams, %d were sent", len(got), len(counted), len(p.media))
	}
}

// checkStore compares the rows of the database with what was on the mirror.
func checkStore(t *testing.T, p *plan, w witnessed, s *kamailio.Store) {
	t.Run("SQLite", func(t *testing.T) {
		var sip, rtcp []kamailio.Row
		eventually(t, "rows are missing", func() bool {
			var err error
			if sip, err = s.SIP(t.Context()); err != nil {
				t.Fatal(err)
			}
			if rtcp, err = s.RTCP(t.Context()); err != nil {
				t.Fatal(err)
			}
			return len(sip) >= len(p.sip) && len(rtcp) >= len(p.rtcp)
		})
		var gotSIP, gotRTCP []kamailio.Packet
		steps := map[string]string{}
		for _, row := range sip {
			gotSIP = append(gotSIP, packet(t, row))
			if steps[row.CallID] += " " + row.Method; row.CallID != row.Correlation {
				t.Errorf("%+v", row)
			}
		}
		for _, row := range rtcp {
			gotRTCP = append(gotRTCP, packet(t, row))
		}
		checkSIP(t, p, w.sip, gotSIP)
		checkRTCP(t, p, w.rtcp, gotRTCP)
		for _, d := range p.sip {
			if got := steps[d.callID]; got != " INVITE 100 180 200 ACK BYE 200" {
				t.Errorf("%s: stored%s", d.callID, got)
			}
		}
	})
}

// packet returns what a row says of the packet it was made from.
func packet(t *testing.T, row kamailio.Row) kamailio.Packet {
	t.Helper()
	if row.Node != "lab:2001" {
		t.Errorf("node %q", row.Node)
	}
	join := func(ip string, port int) string { return net.JoinHostPort(ip, strconv.Itoa(port)) }
	return kamailio.Packet{Src: join(row.SrcIP, row.SrcPort), Dst: join(row.DstIP, row.DstPort), Correlation: row.Correlation,
		Seconds: row.Micros / 1e6, Micros: row.Micros % 1e6, Payload: []byte(row.Message)}
}
