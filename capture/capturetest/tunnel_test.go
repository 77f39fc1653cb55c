package capturetest_test

import (
	"encoding/binary"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
)

// tshark returns what tshark says about the given fields of each Ethernet
// frame. It knows no code of ours: a builder and the decoder that was written
// beside it cannot be wrong together.
func tshark(t *testing.T, frames [][]byte, fields ...string) [][]string {
	t.Helper()
	program, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("no tshark")
	}
	b := []byte{0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 1}
	for i, f := range frames {
		b = binary.BigEndian.AppendUint32(b, uint32(i))
		b = append(b, 0, 0, 0, 0)
		b = binary.BigEndian.AppendUint32(b, uint32(len(f)))
		b = binary.BigEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	file := filepath.Join(t.TempDir(), "frames.pcap")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-n", "-r", file, "-T", "fields", "-o", "ip.check_checksum:TRUE", "-o", "ip.defragment:TRUE", "-o", "hp_erm.udp.port:7932"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for line := range strings.Lines(string(out)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	if len(rows) != len(frames) {
		t.Fatalf("tshark read %d frames of %d", len(rows), len(frames))
	}
	return rows
}

func TestTunnelsTshark(t *testing.T) {
	// What tshark calls the layers. Of a few it must be told, and is not here.
	want := map[capturetest.Kind]string{
		capturetest.KindVLAN: "vlan", capturetest.KindQinQ: "ieee8021ad", capturetest.KindMPLS: "mpls", capturetest.KindMPLSEthernet: "mpls",
		capturetest.KindMPLSControl: "mpls", capturetest.KindPPPoE: "pppoes", capturetest.KindPPPoEShort: "pppoes",
		capturetest.KindIPIP: "ip", capturetest.KindGRE: "gre", capturetest.KindGREFull: "gre", capturetest.KindGREEthernet: "gre",
		capturetest.KindNVGRE: "gre", capturetest.KindPPTP: "gre:ppp", capturetest.KindERSPAN1: "gre", capturetest.KindERSPAN2: "erspan",
		capturetest.KindERSPAN3: "erspan", capturetest.KindERSPAN3IP: "erspan", capturetest.KindEtherIP: "etherip",
		capturetest.KindL2TPv3: "l2tp", capturetest.KindL2TPv3UDP: "l2tp", capturetest.KindL2TPv2: "l2tp:ppp", capturetest.KindVNTag: "vntag",
		capturetest.KindETag: "etag", capturetest.KindPBB: "ieee8021ah", capturetest.KindISL: "eth", capturetest.KindVXLAN: "vxlan",
		capturetest.KindVXLANPolicy: "vxlan", capturetest.KindVXLANGPE: "udp", capturetest.KindGeneve: "geneve",
		capturetest.KindGeneveIP: "geneve", capturetest.KindTZSP: "tzsp", capturetest.KindHPERM: "hp_erm", capturetest.KindGTP: "gtp",
		capturetest.KindGTPExtended: "gtp", capturetest.KindTeredo: "teredo", capturetest.KindNSH: "nsh",
	}
	// tshark knows ERSPAN I only as a preference, and asks for the pseudowire of
	// L2TPv3 as one; it has no content for an IP packet in ERSPAN III.
	shut := map[capturetest.Kind]bool{capturetest.KindERSPAN1: true, capturetest.KindL2TPv3: true, capturetest.KindL2TPv3UDP: true,
		capturetest.KindERSPAN3IP: true}
	frames := [][]byte{
		capturetest.UDP(netip.MustParseAddrPort("192.0.2.1:50000"), netip.MustParseAddrPort("192.0.2.2:40001"), []byte("hello, world")),
		capturetest.UDP(netip.MustParseAddrPort("[2001:db8::1]:50000"), netip.MustParseAddrPort("[2001:db8::2]:40001"), []byte("hello, world")),
	}
	var wrapped [][]byte
	var kinds []capturetest.Kind
	for _, f := range frames {
		// tshark tells a pseudowire's control word from an address by the makers
		// it knows.
		copy(f, "\x00\x1b\x21")
		copy(f[6:], "\x00\x1b\x21")
		for k := range capturetest.NumKinds {
			if tun := (capturetest.Tunnel{Kind: k, ID: 0x123}); tun.Fits(f) {
				wrapped, kinds = append(wrapped, tun.Wrap(f)), append(kinds, k)
			}
		}
	}
	for i, row := range tshark(t, wrapped, "frame.protocols", "udp.dstport", "_ws.malformed", "ip.checksum.status", "_ws.expert.message") {
		k := kinds[i]
		if !strings.Contains(":"+row[0]+":", ":"+want[k]+":") || row[2] != "" || strings.Contains(row[3], "0") {
			t.Errorf("%v: %q", k, row)
		}
		if !shut[k] && !strings.HasSuffix(row[1], "40001") {
			t.Errorf("%v: no inner datagram: %q", k, row)
		}
	}
}

func TestTransportsTshark(t *testing.T) {
	a, b := netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("192.0.2.2:5062")
	a6, b6 := netip.MustParseAddrPort("[2001:db8::1]:5060"), netip.MustParseAddrPort("[2001:db8::2]:5062")
	chunks := append(capturetest.SCTPData(3, 7, 1, 2, 0, []byte("hello")), capturetest.SCTPData(2, 8, 1, 3, 0, []byte("world!"))...)
	big := make([]byte, 3000)
	frames := [][]byte{
		capturetest.TCP(a, b, capture.TCP{Seq: 0xfffffff0, Ack: 9, Window: 1000, Flags: capture.FlagPSH | capture.FlagACK}, []byte("hello")),
		capturetest.TCP(a6, b6, capture.TCP{Seq: 1, Flags: capture.FlagSYN}, nil),
		capturetest.SCTP(a, b, 0x1234, chunks),
		capturetest.SCTP(a6, b6, 0x1234, chunks),
	}
	frames = append(frames, capturetest.Fragments(capturetest.UDP(a, b, big, capturetest.IPID(4)), 1500, 0)...)
	frames = append(frames, capturetest.Fragments(capturetest.UDP(a6, b6, big, capturetest.VLAN(3)), 1280, 4)...)
	rows := tshark(t, frames, "tcp.seq_raw", "tcp.flags", "tcp.len", "sctp.chunk_type", "_ws.malformed", "ip.checksum.status", "udp.length",
		"ip.fragment.count", "ipv6.fragment.count")
	for i, row := range rows {
		if row[4] != "" || strings.Contains(row[5], "0") {
			t.Errorf("frame %d: %q", i, row)
		}
	}
	if rows[0][0] != "4294967280" || rows[0][1] != "0x0018" || rows[0][2] != "5" || rows[1][1] != "0x0002" {
		t.Errorf("TCP: %q, %q", rows[0], rows[1])
	}
	if rows[2][3] != "0,0" || rows[3][3] != "0,0" {
		t.Errorf("SCTP: %q, %q", rows[2], rows[3])
	}
	if len(rows) != 10 || rows[6][6] != "3008" || rows[6][7] != "3" || rows[9][6] != "3008" || rows[9][8] != "3" {
		t.Errorf("fragments: %q", rows[4:])
	}
}
