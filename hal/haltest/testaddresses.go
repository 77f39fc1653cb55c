package haltest

import (
	"errors"
	"io/fs"
	"net/netip"
	"testing"

	"heptap/hal"
)

// AddressesUnderTest is a hal.Addresses under test, with an interface "a" that is
// down and has a carrier once it is up, and an interface "b".
type AddressesUnderTest struct {
	hal.Addresses
	State func(t *testing.T, name string) Interface // what the interface really has
}

// TestAddresses holds an implementation against the contract.
func TestAddresses(t *testing.T, open func(t *testing.T) AddressesUnderTest) {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	same := func(t *testing.T, s AddressesUnderTest, want Interface) {
		t.Helper()
		if got := s.State(t, "a"); got != want {
			t.Errorf("a has %+v, want %+v", got, want)
		}
	}
	t.Run("rename", func(t *testing.T) {
		s := open(t)
		must(t, s.Rename("a", "uplink0"))
		must(t, s.Rename("uplink0", "a"))
		must(t, s.Rename("a", "a"))
		if err := s.Rename("a", "b"); !errors.Is(err, fs.ErrExist) {
			t.Errorf("renamed to a name that is taken: %v", err)
		}
	})
	t.Run("assign", func(t *testing.T) {
		s := open(t)
		must(t, s.Up("a"))
		first := hal.Assignment{Address: prefix("192.0.2.10/24"), Gateway: addr("192.0.2.1")}
		must(t, s.Assign("a", first))
		same(t, s, Interface{Up: true, IP4: first})
		must(t, s.Assign("a", first))
		same(t, s, Interface{Up: true, IP4: first})
		// Of the same network, without a gateway.
		next := hal.Assignment{Address: prefix("192.0.2.77/24")}
		must(t, s.Assign("a", next))
		same(t, s, Interface{Up: true, IP4: next})
		// Of another one, with a gateway that its mask leaves out.
		other := hal.Assignment{Address: prefix("198.51.100.4/32"), Gateway: addr("203.0.113.1")}
		must(t, s.Assign("a", other))
		same(t, s, Interface{Up: true, IP4: other})
		six := hal.Assignment{Address: prefix("2001:db8::5/64"), Gateway: addr("2001:db8::1")}
		must(t, s.Assign("a", six))
		same(t, s, Interface{Up: true, IP4: other, IP6: six})
		must(t, s.Assign("a", hal.Assignment{}))
		same(t, s, Interface{Up: true})
	})
	t.Run("none there", func(t *testing.T) {
		s := open(t)
		for what, err := range map[string]error{"rename": s.Rename("none", "x"), "up": s.Up("none"), "assign": s.Assign("none", hal.Assignment{})} {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}
