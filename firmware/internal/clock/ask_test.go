package clock

import (
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"time"
)

// ntpServer answers as RFC 5905 7.3 says, off by so much, until the test ends.
func ntpServer(t *testing.T, off time.Duration, stratum byte) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 512)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if n < 48 {
				continue
			}
			p := make([]byte, 48)
			p[0], p[1], p[2], p[3] = 4<<3|4, stratum, 6, 0xec
			copy(p[24:32], b[40:48]) // what the client called now
			now := time.Now().Add(off)
			for _, at := range []int{16, 32, 40} {
				stamp(p[at:], now)
			}
			c.WriteTo(p, from)
		}
	}()
	return c.LocalAddr().String()
}

// stamp writes seconds since 1900 and their fraction.
func stamp(b []byte, at time.Time) {
	binary.BigEndian.PutUint32(b, uint32(at.Unix()+2_208_988_800))
	binary.BigEndian.PutUint32(b[4:], uint32(uint64(at.Nanosecond())<<32/1e9))
}

func TestNTP(t *testing.T) {
	for _, off := range []time.Duration{0, time.Hour, -250 * time.Millisecond} {
		a, err := NTP(t.Context(), ntpServer(t, off, 2))
		if err != nil {
			t.Fatal(err)
		}
		if d := (a.Offset - off).Abs(); d > a.Distance || a.Distance > time.Second {
			t.Errorf("off by %v: %+v", off, a)
		}
	}
	if _, err := NTP(t.Context(), ntpServer(t, 0, 0)); err == nil || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("a kiss of death was believed: %v", err)
	}
	if _, err := NTP(t.Context(), "127.0.0.1:1"); err == nil {
		t.Error("nobody answered")
	}
}
