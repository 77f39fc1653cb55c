package capture_test

import (
	"testing"

	"heptap/capture"
)

func TestUnknown(t *testing.T) {
	for _, tt := range []struct {
		reason capture.DropReason
		n      uint16
		want   string
	}{
		{capture.DropEtherType, 0x88cc, "lldp"},
		{capture.DropEtherType, 0x88f7, "ptp"},
		{capture.DropEtherType, 0x1234, ""},
		{capture.DropIPProtocol, 89, "ospf"},
		{capture.DropIPProtocol, 200, ""},
		{capture.DropPPP, 0xc021, "lcp"},
		{capture.DropLLC, 0x4242, "spanning tree"},
		{capture.DropLinkType, 105, "802.11"},
		{capture.DropTunnel, 47, "gre"},
		{capture.DropTunnel, 0x894f, "nsh"},
		{capture.DropARP, 0, ""},
		{capture.NumDropReasons, 0, ""},
	} {
		if got := tt.reason.Unknown(tt.n); got != tt.want {
			t.Errorf("%v %#x: %q, want %q", tt.reason, tt.n, got, tt.want)
		}
	}
	if n := testing.AllocsPerRun(10, func() {
		if capture.DropEtherType.Unknown(0x88cc) == "" {
			t.Fatal("no name")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestNames: what metrics are labelled with is there, and there once.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for i := range capture.NumEncaps {
		name := capture.EncapName(i)
		if name == "" || seen[name] {
			t.Errorf("encapsulation %d: %q", i, name)
		}
		seen[name] = true
	}
	if capture.EncapOther != 1<<(capture.NumEncaps-1) {
		t.Error("there are more encapsulations than names")
	}
	seen = map[string]bool{}
	for r := range capture.NumDropReasons {
		if name := r.String(); name == "" || seen[name] {
			t.Errorf("reason %d: %q", r, name)
		}
		seen[r.String()] = true
	}
}
