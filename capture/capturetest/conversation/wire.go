package conversation

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"
)

// pad fills frames up to Ethernet's least size, with what the card had lying
// around.
func (w *work) pad() {
	for i := range w.frames {
		f := &w.frames[i]
		for len(f.data) < 60 {
			f.data = append(f.data, byte(w.r.Uint32()))
		}
	}
}

// fragment cuts the outermost IP packet of some frames into two to twelve
// fragments. They arrive in any order, and some of them twice.
func (w *work) fragment(percent int, media bool) {
	var out []frame
	for _, f := range w.frames {
		var pieces [][]byte
		if w.chance(percent) && (media || !f.media) {
			pieces = w.pieces(f.data)
		}
		if len(pieces) < 2 {
			out = append(out, f)
			continue
		}
		for _, p := range pieces {
			if w.chance(5) {
				pieces = append(pieces, p)
			}
		}
		if w.chance(70) {
			w.r.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		}
		for _, p := range pieces {
			out = append(out, frame{f.at, f.from, f.port, f.media, bytes.Clone(p)})
			f.at += w.between(time.Microsecond, 60*time.Microsecond)
		}
	}
	w.frames = out
	w.sortFrames()
}

func (w *work) sortFrames() {
	slices.SortStableFunc(w.frames, func(a, b frame) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
}

// pieces returns the fragments of a frame in order, or nil when it has no IP
// header or is a fragment already. Padding stays behind.
func (w *work) pieces(b []byte) [][]byte {
	at, version := network(b)
	switch version {
	case 4:
		header := b[:at+20]
		if header[at] != 0x45 || binary.BigEndian.Uint16(header[at+6:])&0x3fff != 0 {
			return nil
		}
		return w.fragment4(header, at, b[at+20:at+int(binary.BigEndian.Uint16(b[at+2:]))])
	case 6:
		header := b[:at+40]
		if header[at+6] == 44 {
			return nil
		}
		return w.fragment6(header, at, b[at+40:at+40+int(binary.BigEndian.Uint16(b[at+4:]))])
	}
	return nil
}

// cuts returns where a payload of n octets is cut: at multiples of eight, the
// end included.
func (w *work) cuts(n int) (at []int) {
	for range 1 + w.r.IntN(11) {
		if c := w.r.IntN(n) &^ 7; c > 0 {
			at = append(at, c)
		}
	}
	slices.Sort(at)
	return append(slices.Compact(at), n)
}

// fragment4 follows RFC 791 3.2. It returns nil for what may not be fragmented:
// it has no identification (RFC 6864 4.1).
func (w *work) fragment4(header []byte, at int, payload []byte) (out [][]byte) {
	id := binary.BigEndian.Uint16(header[at+4:])
	if id == 0 {
		return nil
	}
	start := 0
	for _, end := range w.cuts(len(payload)) {
		p := append(bytes.Clone(header), payload[start:end]...)
		binary.BigEndian.PutUint16(p[at+2:], uint16(20+end-start))
		binary.BigEndian.PutUint16(p[at+4:], id)
		field := uint16(start / 8)
		if end < len(payload) {
			field |= 0x2000
		}
		binary.BigEndian.PutUint16(p[at+6:], field)
		checksumIP(p[at : at+20])
		out = append(out, p)
		start = end
	}
	return out
}

// fragment6 follows RFC 8200 4.5.
func (w *work) fragment6(header []byte, at int, payload []byte) (out [][]byte) {
	w.fragID += 0x10001
	start := 0
	for _, end := range w.cuts(len(payload)) {
		p := bytes.Clone(header)
		p[at+6] = 44
		binary.BigEndian.PutUint16(p[at+4:], uint16(8+end-start))
		field := uint16(start)
		if end < len(payload) {
			field |= 1
		}
		p = append(p, header[at+6], 0, byte(field>>8), byte(field))
		p = binary.BigEndian.AppendUint32(p, w.fragID)
		out = append(out, append(p, payload[start:end]...))
		start = end
	}
	return out
}

// duplicate has the mirror deliver frames twice. The copies were taken
// elsewhere on the way, so that they may differ in MAC addresses, VLAN tag,
// TTL and checksums, and lag behind by almost the same time each.
func (w *work) duplicate(percent int, most time.Duration) {
	lag := w.between(0, most-2*time.Millisecond)
	kind := w.r.IntN(4)
	vlan := uint16(1 + w.r.IntN(4094))
	for _, f := range slices.Clone(w.frames) {
		if !w.chance(percent) {
			continue
		}
		f.at += lag + w.between(0, 2*time.Millisecond)
		f.data = bytes.Clone(f.data)
		if kind&1 != 0 {
			f.data = tag(f.data, 0x8100, vlan)
		}
		if kind&2 != 0 {
			route(f.data)
		}
		w.frames = append(w.frames, f)
	}
	w.sortFrames()
}

// tag inserts a VLAN tag before all others.
func tag(b []byte, tpid, tci uint16) []byte {
	out := append(make([]byte, 0, len(b)+4), b[:12]...)
	out = binary.BigEndian.AppendUint16(out, tpid)
	out = binary.BigEndian.AppendUint16(out, tci)
	return append(out, b[12:]...)
}

// route does to a frame what a router does, and leaves a UDP or TCP checksum
// that a card was to fill in.
func route(b []byte) {
	b[4], b[10] = 0x77, 0x77
	at, version := network(b)
	transport, proto, whole := 0, byte(0), false
	switch version {
	case 4:
		b[at+8]--
		checksumIP(b[at : at+20])
		transport, proto, whole = at+20, b[at+9], binary.BigEndian.Uint16(b[at+6:])&0x3fff == 0
	case 6:
		b[at+7]--
		transport, proto, whole = at+40, b[at+6], true
	}
	switch {
	case whole && proto == 6 && len(b) >= transport+20:
		b[transport+checksumTCP] ^= 0x55
	case whole && proto == 17 && len(b) >= transport+8:
		b[transport+checksumUDP] ^= 0x55
	}
}

// reorder sends some packets of TCP and SCTP along a slower path. Where a
// stream begins, and that it ends, stays plain to see.
func (w *work) reorder(percent int, most time.Duration) {
	var begun [2]bool
	end := int64(0)
	for i := range w.packets {
		p := &w.packets[i]
		switch {
		case p.proto == 17 || p.opens || p.closes:
		case !begun[p.from] && !w.handshake:
			begun[p.from] = p.data
		case w.chance(percent):
			p.at += w.between(0, most)
		}
		end = max(end, p.at)
	}
	for i := range w.packets {
		if p := &w.packets[i]; p.closes {
			p.at = max(p.at, end)
		}
	}
	sortPackets(w.packets)
}
