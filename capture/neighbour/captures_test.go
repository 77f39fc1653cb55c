package neighbour_test

import (
	"path/filepath"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/neighbour"
	"heptap/capture/pcapfile"
)

// TestCaptures has what tshark 4.0.17 finds in the one capture with LLDP in it.
func TestCaptures(t *testing.T) {
	r, err := pcapfile.Open(filepath.Join(capturetest.Captures(t), "arkime+arkime/arkime_synthetic.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got []string
	buf := make([]capture.Frame, 64)
	for n := 0; err == nil; n, err = r.Read(buf) {
		for i := range buf[:n] {
			var v neighbour.View
			if err := v.Parse(buf[i].Data); err == nil {
				got = append(got, show(&v))
			} else if err != neighbour.ErrOther {
				t.Errorf("%v: % x", err, buf[i].Data)
			}
		}
	}
	if len(got) != 1 || got[0] != `LLDP 00:11:22:33:44:55 1/1 120 vlan 0 "" ""` {
		t.Errorf("%q", got)
	}
}
