package websocket

import "encoding/binary"

// Opcode says what a frame holds (RFC 6455 5.2).
type Opcode uint8

// The opcodes.
const (
	Continuation Opcode = 0
	Text         Opcode = 1
	Binary       Opcode = 2
	Close        Opcode = 8
	Ping         Opcode = 9
	Pong         Opcode = 10
)

func (o Opcode) control() bool { return o >= Close }

const (
	finBit  = 0x80
	rsv1Bit = 0x40
	rsvBits = 0x30 // RSV2 and RSV3: nothing uses them
	maskBit = 0x80

	maxHeader  = 14
	maxControl = 125
)

// header is a frame's.
type header struct {
	fin, rsv1, masked bool
	opcode            Opcode
	mask              [4]byte
	size              int   // octets of the header
	length            int64 // octets of the payload
}

// parse reads the header that b begins with. ok is false when it makes no
// sense; size is 0 when b is too short for it.
func (h *header) parse(b []byte) (ok bool) {
	*h = header{}
	if len(b) == 0 {
		return true
	}
	h.fin, h.rsv1, h.opcode = b[0]&finBit != 0, b[0]&rsv1Bit != 0, Opcode(b[0]&0x0f)
	switch {
	case b[0]&rsvBits != 0, h.opcode > Binary && h.opcode < Close, h.opcode > Pong:
		return false
	case h.opcode.control() && (!h.fin || h.rsv1), h.opcode == Continuation && h.rsv1:
		return false
	case len(b) < 2:
		return true
	}
	h.masked, h.length = b[1]&maskBit != 0, int64(b[1]&0x7f)
	if h.opcode.control() && h.length > maxControl {
		return false
	}
	size := 2
	switch h.length {
	case 126:
		if size = 4; len(b) < size {
			return true
		}
		h.length = int64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if size = 10; len(b) < size {
			return true
		}
		if h.length = int64(binary.BigEndian.Uint64(b[2:])); h.length < 0 || h.length > 1<<62 {
			return false
		}
	}
	if h.masked {
		if size += 4; len(b) < size {
			return true
		}
		copy(h.mask[:], b[size-4:size])
	}
	h.size = size
	return true
}

// unmask appends the payload octets b to dst.
func (h *header) unmask(dst, b []byte) []byte {
	n := len(dst)
	dst = append(dst, b...)
	if h.masked && h.mask != [4]byte{} {
		xor(dst[n:], h.mask)
	}
	return dst
}

// xor masks b, which begins at the first octet of a payload (RFC 6455 5.3).
func xor(b []byte, mask [4]byte) {
	m := uint64(binary.LittleEndian.Uint32(mask[:]))
	m |= m << 32
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^m)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= mask[i&3]
	}
}

// Append appends to dst the unmasked payload of the message whose frames b
// holds, as Reader gave them: control frames are left out, and the last frame
// may be cut.
func Append(dst, b []byte) []byte {
	var h header
	for len(b) > 0 && h.parse(b) && h.size > 0 {
		b = b[h.size:]
		n := int(min(h.length, int64(len(b))))
		if !h.opcode.control() {
			dst = h.unmask(dst, b[:n])
		}
		b = b[n:]
	}
	return dst
}

// AppendControl appends to dst the unmasked payload of the control frame that
// b begins with.
func AppendControl(dst, b []byte) []byte {
	var h header
	if h.parse(b) && h.size > 0 && h.opcode.control() {
		dst = h.unmask(dst, b[h.size:min(len(b), h.size+int(h.length))])
	}
	return dst
}

// CloseReason takes apart the payload of a close frame (RFC 6455 5.5.1): code
// is 0 when there is none.
func CloseReason(payload []byte) (code uint16, reason []byte) {
	if len(payload) < 2 {
		return 0, nil
	}
	return binary.BigEndian.Uint16(payload), payload[2:]
}
