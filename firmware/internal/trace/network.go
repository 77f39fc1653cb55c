package trace

import (
	"net/netip"
	"slices"
)

// networks is a set of addresses: networks of both families, in order, none of
// which holds another.
type networks []netip.Prefix

// newNetworks makes the set of all addresses in list.
func newNetworks(list []netip.Prefix) networks {
	list = slices.Clone(list)
	slices.SortFunc(list, compareNetworks)
	var n networks
	for _, p := range list {
		if len(n) == 0 || !n[len(n)-1].Contains(p.Addr()) {
			n = append(n, p)
		}
	}
	return n
}

// contains reports whether a, which is not an IPv4 address in IPv6, is in the set.
func (n networks) contains(a netip.Addr) bool {
	low, high := 0, len(n) // the first network that begins behind a is in between
	for low < high {
		mid := int(uint(low+high) >> 1)
		if n[mid].Addr().Compare(a) <= 0 {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low > 0 && n[low-1].Contains(a)
}
