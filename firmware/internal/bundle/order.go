package bundle

import (
	"cmp"
	"strconv"
	"strings"
)

// Release tells one release from another.
type Release struct {
	Version string
	Built   int64 // seconds since 1970
}

// Release returns that of a header.
func (h Header) Release() Release { return Release{h.Version, h.Built} }

// Compare orders releases, older ones first. Versions decide if both have one, as
// "v1.2.3", "1.2.3-rc1" (before it) or "v1.2.3-4-gabcdef" (four commits after it,
// as git describes it); otherwise, and where they are equal, when they were built.
func Compare(a, b Release) int {
	na, oka := numbers(a.Version)
	nb, okb := numbers(b.Version)
	if oka && okb {
		for i := range na {
			if c := cmp.Compare(na[i], nb[i]); c != 0 {
				return c
			}
		}
	}
	return cmp.Compare(a.Built, b.Built)
}

// numbers are the three of a version, whether it is before (-1) or at (0) the
// release of these numbers, and how many commits after.
func numbers(version string) (n [5]int, ok bool) {
	core, rest, tail := strings.Cut(strings.TrimPrefix(version, "v"), "-")
	parts := strings.Split(core, ".")
	if len(parts) != 3 {
		return n, false
	}
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 10, 31)
		if err != nil {
			return n, false
		}
		n[i] = int(v)
	}
	if !tail || rest == "dirty" {
		return n, true
	}
	count, commit, described := strings.Cut(rest, "-")
	if v, err := strconv.ParseUint(count, 10, 31); err == nil && described && strings.HasPrefix(commit, "g") {
		n[4] = int(v)
		return n, true
	}
	n[3] = -1
	return n, true
}
