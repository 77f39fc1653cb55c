package isup

import "strings"

// Variant is the family of standards that a message obeys.
type Variant uint8

// The variants of RFC 3204.
const (
	Unspecified Variant = iota
	ITU                 // itu-t88, itu-t92+: Q.761 to Q.764
	ETSI                // etsi121, etsi356: the same, for Europe
	ANSI                // ansi88, ansi00, gr317: T1.113, GR-317
	TTC                 // ttc87, ttc93+: JT-Q761 to Q764
	Other
)

// VariantOf says which variant the parameters version and base of a Content-Type
// application/ISUP name (RFC 3204 3.1). Versions are names that operators agree on;
// base, when there, names a standard and counts more. Case does not matter.
func VariantOf(version, base string) Variant {
	v := family(base)
	if v == Unspecified || v == Other && version != "" {
		v = family(version)
	}
	if v == Unspecified && base != "" {
		return Other
	}
	return v
}

func family(name string) Variant {
	switch {
	case name == "":
		return Unspecified
	case begins(name, "itu"):
		return ITU
	case begins(name, "etsi"):
		return ETSI
	case begins(name, "ansi"), begins(name, "gr"), begins(name, "bellcore"):
		return ANSI
	case begins(name, "ttc"):
		return TTC
	}
	return Other
}

func begins(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// Readable reports whether Parse reads the variant. One that is not specified
// is taken for ITU-T's.
func (v Variant) Readable() bool { return v == Unspecified || v == ITU || v == ETSI }

// String returns the variant's name.
func (v Variant) String() string {
	switch v {
	case ITU:
		return "ITU-T"
	case ETSI:
		return "ETSI"
	case ANSI:
		return "ANSI"
	case TTC:
		return "TTC"
	case Other:
		return "other"
	}
	return "unspecified"
}
