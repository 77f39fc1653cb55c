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
	t.Run("release", func(t *testing.T) {
		s := open(t)
		must(t, s.Up("a"))
		four := hal.Assignment{Address: prefix("192.0.2.10/24"), Gateway: addr("192.0.2.1")}
		six := hal.Assignment{Address: prefix("2001:db8::5/64"), Gateway: addr("2001:db8::1")}
		must(t, s.Assign("a", four))
		must(t, s.Assign("a", six))
		must(t, s.Release("a", false))
		same(t, s, Interface{Up: true, IP6: six})
		must(t, s.Assign("a", four))
		must(t, s.Release("a", true))
		same(t, s, Interface{Up: true, IP4: four})
	})
	t.Run("autoconf", func(t *testing.T) {
		s := open(t)
		must(t, s.Up("a"))
		six := hal.Assignment{Address: prefix("2001:db8::5/64")}
		must(t, s.Autoconf("a", true))
		must(t, s.Assign("a", six))
		same(t, s, Interface{Up: true, IP6: six, Auto: true})
		must(t, s.Autoconf("a", true))
		must(t, s.Autoconf("a", false))
		same(t, s, Interface{Up: true, IP6: six})
		must(t, s.Release("a", true))
		must(t, s.Autoconf("a", false))
		same(t, s, Interface{Up: true})
	})
	t.Run("bond", func(t *testing.T) {
		s := open(t)
		must(t, s.Assign("a", hal.Assignment{Address: prefix("192.0.2.10/24")}))
		if err := s.Bond("uplink", "a", "none"); errors.Is(err, errors.ErrUnsupported) {
			t.Skip(err)
		} else if err != nil {
			t.Fatal(err)
		}
		must(t, s.Up("uplink"))
		is := func(name string, want Interface) {
			t.Helper()
			if got := s.State(t, name); got != want {
				t.Errorf("%s is %+v, want %+v", name, got, want)
			}
		}
		is("a", Interface{Up: true})
		is("uplink", Interface{Up: true, Members: "a"})
		ip := hal.Assignment{Address: prefix("192.0.2.10/24"), Gateway: addr("192.0.2.1")}
		must(t, s.Assign("uplink", ip))
		must(t, s.Bond("uplink", "a", "b")) // what is there stays
		is("uplink", Interface{Up: true, Members: "a b", IP4: ip})
		must(t, s.Bond("uplink", "a", "b"))
		is("uplink", Interface{Up: true, Members: "a b", IP4: ip})
		must(t, s.Bond("uplink", "b", "a"))
		is("uplink", Interface{Up: true, Members: "b a", IP4: ip})
		must(t, s.Bond("uplink", "b"))
		is("uplink", Interface{Up: true, Members: "b", IP4: ip})
		must(t, s.Remove("uplink"))
		must(t, s.Remove("uplink"))
		if err := s.Up("uplink"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("removed, and still there: %v", err)
		}
		if err := s.Bond("uplink", "none", "nor this"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a bond of nothing: %v", err)
		}
	})
	t.Run("vlan", func(t *testing.T) {
		s := open(t)
		must(t, s.Up("a"))
		if err := s.VLAN("uplink.7", "a", 7); errors.Is(err, errors.ErrUnsupported) {
			t.Skip(err)
		} else if err != nil {
			t.Fatal(err)
		}
		must(t, s.Up("uplink.7"))
		ip := hal.Assignment{Address: prefix("192.0.2.10/24")}
		must(t, s.Assign("uplink.7", ip))
		must(t, s.VLAN("uplink.7", "a", 7))
		want := Interface{Up: true, Parent: "a", VLAN: 7, IP4: ip}
		if got := s.State(t, "uplink.7"); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		must(t, s.VLAN("uplink.7", "b", 4094)) // anew
		must(t, s.Up("uplink.7"))
		want = Interface{Up: true, Parent: "b", VLAN: 4094}
		if got := s.State(t, "uplink.7"); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		if err := s.VLAN("uplink.8", "none", 8); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("on nothing: %v", err)
		}
		must(t, s.Remove("uplink.7"))
		if err := s.Remove("a"); err == nil {
			t.Error("removed what it has not made")
		}
	})
	t.Run("none there", func(t *testing.T) {
		s := open(t)
		for what, err := range map[string]error{"rename": s.Rename("none", "x"), "up": s.Up("none"), "assign": s.Assign("none", hal.Assignment{}),
			"release": s.Release("none", true), "autoconf": s.Autoconf("none", true)} {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}
