package main

import (
	"net/netip"
	"testing"

	"heptap/firmware/internal/uplink"
)

func TestDefaultRoute(t *testing.T) {
	const table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"enp0s2\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n" +
		"enp0s2\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n" +
		"enp0s3\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n"
	if a, ok := defaultRoute(table, "enp0s2"); !ok || a != netip.MustParseAddr("10.0.2.2") {
		t.Errorf("%v, %t", a, ok)
	}
	for _, device := range []string{"enp0s3", "eth0", ""} {
		if a, ok := defaultRoute(table, device); ok {
			t.Errorf("%s: %v", device, a)
		}
	}
}

func TestDefaultRoute6(t *testing.T) {
	const table = "fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 enp0s2\n" +
		"00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000002 00000000 00000003 enp0s2\n" +
		"00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n"
	if a, ok := defaultRoute6(table, "enp0s2"); !ok || a != netip.MustParseAddr("fe80::1") {
		t.Errorf("%v, %t", a, ok)
	}
	for _, device := range []string{"enp0s3", "lo", ""} {
		if a, ok := defaultRoute6(table, device); ok {
			t.Errorf("%s: %v", device, a)
		}
	}
}

func TestNeighbour(t *testing.T) {
	const table = "IP address       HW type     Flags       HW address            Mask     Device\n" +
		"10.0.2.2         0x1         0x2         52:55:0a:00:02:02     *        enp0s2\n" +
		"10.0.2.3         0x1         0x0         00:00:00:00:00:00     *        enp0s2\n"
	if mac, ok := arpEntry(table, netip.MustParseAddr("10.0.2.2"), "enp0s2"); !ok || mac != "52:55:0a:00:02:02" {
		t.Errorf("%s, %t", mac, ok)
	}
	for a, device := range map[string]string{"10.0.2.2": "enp0s3", "10.0.2.3": "enp0s2", "10.0.2.4": "enp0s2"} {
		if mac, ok := arpEntry(table, netip.MustParseAddr(a), device); ok {
			t.Errorf("%s at %s: %s", a, device, mac)
		}
	}
}

func TestConfirmed(t *testing.T) {
	stats := func(confirmed, released, memory, disk uint64) (s uplink.CollectorStats) {
		s.Confirmed, s.Released, s.InMemory, s.Spooled = confirmed, released, memory, disk
		return s
	}
	before := stats(10, 0, 2, 3)
	for _, c := range []struct {
		now  uplink.CollectorStats
		done bool
	}{{before, false}, {stats(14, 0, 1, 0), false}, {stats(15, 0, 0, 0), true}, {stats(10, 5, 9, 0), true}, {stats(20, 0, 7, 7), true}} {
		if done, how := confirmed(&before, &c.now, false); done != c.done {
			t.Errorf("%+v: %t, %s", c.now.Counts, done, how)
		}
	}
	down := before
	down.Reason = "connection refused"
	if done, how := confirmed(&before, &down, false); done || how != "connection refused" {
		t.Errorf("%t, %s", done, how)
	}
}
