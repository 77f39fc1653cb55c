package tlswire

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
)

// ja3 returns the JA3 fingerprint of a ClientHello (Salesforce, README): the
// MD5 of
//
//	version,suites,extensions,groups,point formats
//
// in decimal, joined by "-", in the order of the wire, without GREASE.
func ja3(h *hello) string {
	sum := md5.Sum(ja3Text(h))
	return hex.EncodeToString(sum[:])
}

func ja3Text(h *hello) []byte {
	b := strconv.AppendUint(make([]byte, 0, 512), uint64(h.version), 10)
	b = appendDecimal(append(b, ','), h.suites)
	b = append(b, ',')
	b = h.appendTypes(b)
	groups, _ := h.find(extSupportedGroups)
	groups, _ = groups.front(2)
	b = appendDecimal(append(b, ','), groups)
	formats, _ := h.find(extPointFormats)
	formats, _ = formats.front(1)
	b = append(b, ',')
	for i, f := range formats {
		if i > 0 {
			b = append(b, '-')
		}
		b = strconv.AppendUint(b, uint64(f), 10)
	}
	return b
}

// ja3s returns the JA3S fingerprint of a ServerHello: the MD5 of
// version,suite,extensions. It has no GREASE.
func ja3s(h *hello) string {
	b := strconv.AppendUint(make([]byte, 0, 64), uint64(h.version), 10)
	b = appendDecimal(append(b, ','), h.suites)
	b = append(b, ',')
	sum := md5.Sum(h.appendTypes(b))
	return hex.EncodeToString(sum[:])
}

// appendTypes appends the extensions' types.
func (h *hello) appendTypes(b []byte) []byte {
	n := 0
	for list := h.extensions; ; {
		typ, _, ok := next(&list)
		if !ok {
			return b
		}
		if isGREASE(typ) {
			continue
		}
		if n++; n > 1 {
			b = append(b, '-')
		}
		b = strconv.AppendUint(b, uint64(typ), 10)
	}
}

func appendDecimal(b []byte, list cursor) []byte {
	for i, v := range numbers(list) {
		if i > 0 {
			b = append(b, '-')
		}
		b = strconv.AppendUint(b, uint64(v), 10)
	}
	return b
}

// numbers returns a list of 16-bit numbers without GREASE.
func numbers(list cursor) []uint16 {
	all := make([]uint16, 0, len(list)/2)
	for {
		v, ok := list.number(2)
		if !ok {
			return all
		}
		if !isGREASE(uint16(v)) {
			all = append(all, uint16(v))
		}
	}
}

// ja4 returns the JA4 fingerprint of a ClientHello (FoxIO,
// technical_details/JA4.md), of a connection on TCP:
//
//	t version SNI suites extensions ALPN _ hash of suites _ hash of the rest
//
// The page's newest text counts a protocol name of one octet as both first and
// last; FoxIO's own programs differ among themselves.
func ja4(h *hello) string {
	suites := numbers(h.suites)
	var types, hashed []uint16
	for list := h.extensions; ; {
		typ, _, ok := next(&list)
		if !ok {
			break
		}
		if isGREASE(typ) {
			continue
		}
		types = append(types, typ)
		if typ != extServerName && typ != extALPN {
			hashed = append(hashed, typ)
		}
	}
	b := make([]byte, 0, 36)
	b = append(append(b, 't'), ja4Version(h)...)
	if slices.Contains(types, extServerName) {
		b = append(b, 'd')
	} else {
		b = append(b, 'i')
	}
	b = appendCount(appendCount(b, len(suites)), len(types))
	b = appendALPN(b, h)

	slices.Sort(suites)
	b = appendHash(append(b, '_'), appendHex(nil, suites))
	slices.Sort(hashed)
	rest := appendHex(nil, hashed)
	if algorithms := h.algorithms(); len(algorithms) > 0 {
		rest = appendHex(append(rest, '_'), algorithms)
	}
	if len(hashed) == 0 {
		rest = nil
	}
	return string(appendHash(append(b, '_'), rest))
}

// algorithms returns the signature algorithms (RFC 8446 4.2.3).
func (h *hello) algorithms() []uint16 {
	list, _ := h.find(extSignatureAlgorithms)
	list, _ = list.front(2)
	return numbers(list)
}

// ja4Version is the highest version offered.
func ja4Version(h *hello) string {
	v := uint16(h.version)
	if list, ok := h.find(extSupportedVersions); ok {
		list, _ = list.front(1)
		if all := numbers(list); len(all) > 0 {
			v = slices.Max(all)
		}
	}
	switch Version(v) {
	case TLS13:
		return "13"
	case TLS12:
		return "12"
	case TLS11:
		return "11"
	case TLS10:
		return "10"
	case SSL30:
		return "s3"
	}
	return "00"
}

func appendCount(b []byte, n int) []byte {
	n = min(n, 99)
	return append(b, byte('0'+n/10), byte('0'+n%10))
}

// appendALPN appends the first and last character of the first protocol name,
// or of its hexadecimal form when one of them is neither letter nor digit.
func appendALPN(b []byte, h *hello) []byte {
	list, _ := h.find(extALPN)
	list, _ = list.front(2)
	name, _ := list.vector(1)
	if len(name) == 0 {
		return append(b, "00"...)
	}
	first, last := name[0], name[len(name)-1]
	if isAlphanumeric(first) && isAlphanumeric(last) {
		return append(b, first, last)
	}
	const digits = "0123456789abcdef"
	return append(b, digits[first>>4], digits[last&15])
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// appendHex appends numbers as JA4 lists them.
func appendHex(b []byte, list []uint16) []byte {
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = hex.AppendEncode(b, []byte{byte(v >> 8), byte(v)})
	}
	return b
}

// appendHash appends the first 12 digits of the SHA-256; of nothing, zeros.
func appendHash(b, list []byte) []byte {
	if len(list) == 0 {
		return append(b, "000000000000"...)
	}
	sum := sha256.Sum256(list)
	return hex.AppendEncode(b, sum[:6])
}
