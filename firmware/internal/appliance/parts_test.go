package appliance

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/sys/unix"
)

func TestInterfaceName(t *testing.T) {
	for _, c := range []struct {
		device, mac string
		several     bool
		want        string // empty: the kernel's
	}{
		{"/sys/devices/pci0000:00/0000:00:02.0/virtio0", "52:54:00:12:34:56\n", false, "enp0s2"},
		{"/sys/devices/pci0000:00/0000:00:1f.6", "00:00:5e:00:53:01", false, "enp0s31f6"},
		{"/sys/devices/pci0000:00/0000:00:1c.4/0000:03:00.0", "00:00:5e:00:53:01", false, "enp3s0"},
		{"/sys/devices/pci0000:00/0000:00:1c.4/0000:03:00.0", "00:00:5e:00:53:01", true, "enp3s0f0"},
		{"/sys/devices/pci0000:00/0000:00:1c.4/0000:03:00.1", "00:00:5e:00:53:01", true, "enp3s0f1"},
		{"/sys/devices/pci0001:00/0001:00:00.0/0001:01:00.0", "00:00:5e:00:53:01", false, "enP1p1s0"},
		{"/sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0", "00:00:5e:00:53:0a\n", false, "enx00005e00530a"},
		{"/sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0", "", false, ""},
		{"/sys/devices/platform/scb/fd580000.ethernet", "00:00:5e:00:53:01", false, ""},
		{"/sys/devices/pciffffffff:ff/ffffffff:ff:1f.7", "00:00:5e:00:53:01", true, ""}, // too long
		{"", "", false, ""},
	} {
		got, ok := interfaceName(c.device, c.mac, c.several)
		if !ok {
			got = ""
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.device, got, c.want)
		}
	}
}

func TestKeys(t *testing.T) {
	// The kernel's words: bit 116 is in the second of 64 bits, in the fourth of 32.
	have, not := "10000000000000 0", "1000000000000 0"
	if unsafe.Sizeof(uintptr(0)) == 4 {
		have, not = "100000 0 0 0", "1000 0 0 0"
	}
	for bitmap, want := range map[string]bool{have: true, not: false, "": false, "0": false, "x y": false} {
		if got := hasKey(bitmap, keyPower); got != want {
			t.Errorf("%q: %v", bitmap, got)
		}
	}
	event := func(kind, code uint16, value uint32) []byte {
		b := make([]byte, unsafe.Sizeof(unix.Timeval{}))
		b = binary.NativeEndian.AppendUint16(b, kind)
		b = binary.NativeEndian.AppendUint16(b, code)
		return binary.NativeEndian.AppendUint32(b, value)
	}
	var all []byte
	for _, e := range [][]byte{event(evKey, keyPower, 1), event(evKey, keyPower, 0), event(0, 0, 0), event(evKey, 30, 1), event(evKey, keyPower, 1), {1, 0}} {
		all = append(all, e...)
	}
	pressed := 0
	readKeys(strings.NewReader(string(all)), func() { pressed++ })
	if pressed != 2 {
		t.Errorf("pressed %d times", pressed)
	}
}

// stuck is a serial line whose other end has stopped it.
type stuck struct {
	text
	free chan struct{}
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.free
	return s.text.Write(p)
}

func TestLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := newLine(), &stuck{free: make(chan struct{})}
		ended := make(chan struct{})
		go func() { l.run(w); close(ended) }()
		l.drain(time.Hour) // nothing waits
		const lines = 3 * lineRoom / 100
		for range lines { // none of this waits
			if n, err := l.Write([]byte(strings.Repeat("x", 99) + "\n")); n != 100 || err != nil {
				t.Fatal(n, err)
			}
		}
		begun := time.Now()
		if l.drain(time.Second); time.Since(begun) != time.Second {
			t.Error("drained")
		}
		close(w.free)
		l.drain(time.Hour)
		if got := strings.ReplaceAll(w.String(), "\r\n", "\n"); len(got) < lineRoom-100 || len(got) > lineRoom+200 || !strings.Contains(got, "too slow") {
			t.Errorf("%d octets", len(got))
		}
		l.close()
		l.close()
		<-ended
		if n, err := l.Write([]byte("late\n")); n != 5 || err != nil {
			t.Error(n, err)
		}
	})
}

func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w text
		s := newStatus("heptap 1 on x")
		s.set("node", "lab")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.run(ctx, &w); close(done) }()
		synctest.Wait()
		if want := "\nheptap 1 on x\n  node           lab\n\n"; w.String() != want {
			t.Errorf("%q, want %q", w.String(), want)
		}
		shown := func() int { return strings.Count(w.String(), "heptap 1") }
		for i := range 100 { // changes that follow each other are shown now and then
			s.set("probe", "%d", i)
			time.Sleep(time.Second)
		}
		time.Sleep(3 * time.Second)
		if n := shown(); n < 3 || n > 5 || !strings.Contains(w.String(), "probe          99\n") {
			t.Errorf("shown %d times: %s", n, w.String())
		}
		n := shown()
		s.set("probe", "99")
		time.Sleep(time.Hour)
		if shown() != n {
			t.Error("shown though nothing has changed")
		}
		s.set("probe", "")
		time.Sleep(time.Minute)
		if got := w.String(); strings.Count(got, "probe ") != strings.Count(got[:len(got)-50], "probe ") {
			t.Error("a line that was removed is shown")
		}
		cancel()
		<-done
	})
}

func TestLease(t *testing.T) {
	now := time.Now()
	ack := func(mods ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
		p, err := dhcpv4.New(append([]dhcpv4.Modifier{dhcpv4.WithYourIP(net.IPv4(192, 0, 2, 9)), dhcpv4.WithNetmask(net.CIDRMask(26, 32))}, mods...)...)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	l, err := leaseOf(ack(dhcpv4.WithRouter(net.IPv4(192, 0, 2, 1)), dhcpv4.WithDNS(net.IPv4(192, 0, 2, 53), net.IPv4(192, 0, 2, 54)), dhcpv4.WithLeaseTime(7200),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IPv4(192, 0, 2, 2)))), now, nil)
	if err != nil || l.Address != netip.MustParsePrefix("192.0.2.9/26") || l.Gateway != netip.MustParseAddr("192.0.2.1") ||
		len(l.DNS) != 2 || l.Server != netip.MustParseAddr("192.0.2.2") || l.Renew != time.Hour || l.Rebind != 105*time.Minute || l.Expire != 2*time.Hour {
		t.Errorf("%+v, %v", l, err)
	}
	// What a server says of the times counts, as far as it makes sense.
	l, err = leaseOf(ack(dhcpv4.WithLeaseTime(7200), dhcpv4.WithOption(dhcpv4.Option{Code: dhcpv4.OptionRenewTimeValue, Value: dhcpv4.Duration(10 * time.Minute)}),
		dhcpv4.WithOption(dhcpv4.Option{Code: dhcpv4.OptionRebindingTimeValue, Value: dhcpv4.Duration(9 * time.Hour)})), now, nil)
	if err != nil || l.Renew != 10*time.Minute || l.Rebind != 105*time.Minute || l.Gateway.IsValid() || l.DNS != nil {
		t.Errorf("%+v, %v", l, err)
	}
	if l, err = leaseOf(ack(dhcpv4.WithLeaseTime(1)), now, nil); err != nil || l.Expire != leaseLeast || l.Renew != time.Minute {
		t.Errorf("a lease of a second: %+v, %v", l, err)
	}
	for _, bad := range []net.IP{net.IPv4zero, net.IPv4(127, 0, 0, 1), net.IPv4(224, 0, 0, 1), nil} {
		if l, err := leaseOf(ack(dhcpv4.WithYourIP(bad)), now, nil); err == nil {
			t.Errorf("%v: %+v", bad, l)
		}
	}
	if l, err := leaseOf(ack(dhcpv4.WithNetmask(net.CIDRMask(0, 32))), now, nil); err == nil {
		t.Errorf("netmask 0: %+v", l)
	}
}

func TestBoardOf(t *testing.T) {
	for cmdline, want := range map[string]string{
		"console=ttyS0 heptap.board=x86-64-uefi quiet\n": "x86-64-uefi", "heptap.boards=x": "", "": "",
	} {
		if got := BoardOf(cmdline); got != want {
			t.Errorf("%q: %q", cmdline, got)
		}
	}
}
