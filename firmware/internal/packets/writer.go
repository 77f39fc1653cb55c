package packets

import (
	"encoding/binary"
	"unsafe"

	"heptap/capture"
	"heptap/capture/rtp"
	"heptap/capture/sip"
)

// Kind says what is in a kept frame, as far as it decides what may be shown of it.
type Kind uint8

// The kinds. Of Bare there is nothing to hide: it was cut after its headers.
const (
	Bare Kind = iota
	SIP
	RTP
	RTCP
	STUN
	DNS
	TCP
	SCTP
	Fragment
	Beside // what is beside signalling
)

// The lanes.
const (
	signalling = 0
	media      = 1
)

const (
	unreadMost = 54  // Ethernet, IPv4, UDP and RTP headers; all of ARP and of most of spanning tree
	quotedMost = 70  // Ethernet, IPv4, ICMP, and the IPv4 and UDP headers that it quotes
	linkHeader = 14  // that these have and a frame of IP alone has not
	lldpMost   = 512 // what a switch says of itself
	lldp       = 0x88cc

	eventMost  = 4   // octets of an event of RFC 4733
	headerMost = 128 // of an RTP header with extensions
	afterIP    = 20  // of a fragment: the UDP and RTP headers
	shortUDP   = 8
	fragments  = 32 // datagrams in fragments that are known to be SIP
)

// Writer is how one ring worker keeps frames. It is for one goroutine. A nil Writer
// keeps nothing.
type Writer struct {
	m      *Memory
	number int
	now    [lanes]*segment
	at     [lanes]uint32
	frames [lanes]uint32
	last   int64

	kept, octets, missed uint64 // since Flush

	sip  [fragments]uint64 // hashes of those
	next int
}

// Writer makes the next worker's.
func (m *Memory) Writer() *Writer {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := &Writer{m: m, number: m.writers}
	m.writers++
	return w
}

// Datagram keeps a frame with a UDP datagram. p is what was found in f, if need be
// inside TURN, and proto what that is.
func (w *Writer) Datagram(f *capture.Frame, p *capture.Packet, proto capture.Protocol) {
	at, ok := payloadAt(f, p)
	if !ok {
		return
	}
	switch proto {
	case capture.RTP:
		w.rtp(f, p, at)
	case capture.SIP:
		w.put(signalling, f, len(f.Data), SIP, at, len(p.Payload))
	case capture.RTCP:
		w.put(signalling, f, len(f.Data), RTCP, at, len(p.Payload))
	case capture.DNS:
		w.put(signalling, f, len(f.Data), DNS, at, len(p.Payload))
	case capture.STUN:
		keep := len(f.Data)
		if relays(p.Payload) {
			keep = at + min(stunHeader, len(p.Payload))
		}
		w.put(signalling, f, keep, STUN, at, keep-at)
	case capture.KeepAlive:
		w.put(signalling, f, len(f.Data), Bare, at, len(p.Payload))
	case capture.DTLS:
		keep := len(f.Data)
		if len(p.Payload) == 0 || p.Payload[0] == tlsData {
			keep = at
		}
		w.put(media, f, keep, Bare, at, 0)
	case capture.NG, capture.MI, capture.Syslog, capture.HEP, capture.NotSIP:
		w.put(signalling, f, len(f.Data), Beside, at, len(p.Payload))
	default:
		w.put(media, f, at, Bare, at, 0)
	}
}

// rtp keeps the header, and an event whole.
func (w *Writer) rtp(f *capture.Frame, p *capture.Packet, at int) {
	keep := min(rtp.HeaderSize, len(p.Payload))
	var h rtp.Header
	if h.ParseFront(p.Payload) {
		keep = min(h.PayloadOffset, headerMost)
		if h.PayloadLen <= eventMost && keep == h.PayloadOffset && !p.Truncated {
			keep += h.PayloadLen
		}
	}
	w.put(media, f, at+keep, RTP, at, keep)
}

// Segment keeps a frame with a TCP segment; wanted says that the probe reads its
// connection.
func (w *Writer) Segment(f *capture.Frame, p *capture.Packet, wanted bool) {
	at, ok := payloadAt(f, p)
	switch {
	case !ok:
	case wanted:
		w.put(signalling, f, len(f.Data), TCP, at, len(p.Payload))
	default:
		w.put(media, f, at, Bare, at, 0)
	}
}

// Chunks keeps a frame with an SCTP packet.
func (w *Writer) Chunks(f *capture.Frame, p *capture.Packet) {
	if at, ok := payloadAt(f, p); ok {
		w.put(signalling, f, len(f.Data), SCTP, at, len(p.Payload))
	}
}

// Fragment keeps a frame with a fragment: the whole of it if its datagram begins as
// SIP does.
func (w *Writer) Fragment(f *capture.Frame, p *capture.Packet) {
	at, ok := payloadAt(f, p)
	if !ok {
		return
	}
	id := name(p)
	isSIP := false
	if p.Fragment.Offset == 0 {
		if isSIP = p.Protocol == capture.ProtoUDP && len(p.Payload) > shortUDP && sip.Sniff(p.Payload[shortUDP:]); isSIP {
			w.sip[w.next] = id
			w.next = (w.next + 1) % fragments
		}
	} else {
		for _, s := range w.sip {
			isSIP = isSIP || s == id
		}
	}
	switch {
	case isSIP:
		w.put(signalling, f, len(f.Data), Fragment, at, len(p.Payload))
	case p.Fragment.Offset == 0:
		w.put(media, f, at+min(afterIP, len(p.Payload)), Fragment, at, min(afterIP, len(p.Payload)))
	default:
		w.put(media, f, at, Bare, at, 0)
	}
}

// name hashes what says which datagram a fragment is of (FNV-1a). It is never 0.
func name(p *capture.Packet) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range [...][]byte{p.Src, p.Dst} {
		for _, c := range b {
			h = (h ^ uint64(c)) * 1099511628211
		}
	}
	return (h^uint64(p.Fragment.ID))*1099511628211 | 1
}

// Unread keeps a frame that the decoder has dropped: its front.
func (w *Writer) Unread(f *capture.Frame, p *capture.Packet, reason capture.DropReason) {
	most := unreadMost
	switch {
	case reason == capture.DropICMP:
		most = quotedMost
	case reason == capture.DropEtherType && p.Unknown == lldp:
		most = lldpMost
	}
	if f.Link != capture.LinkEthernet {
		most -= linkHeader
	}
	w.put(media, f, min(most, len(f.Data)), Bare, 0, 0)
}

// payloadAt returns where p's payload begins in the frame that it was found in.
func payloadAt(f *capture.Frame, p *capture.Packet) (int, bool) {
	if len(p.Payload) == 0 {
		return len(f.Data), true
	}
	at := int(uintptr(unsafe.Pointer(unsafe.SliceData(p.Payload))) - uintptr(unsafe.Pointer(unsafe.SliceData(f.Data))))
	return at, at >= 0 && at+len(p.Payload) <= len(f.Data)
}

// put copies the front of a frame.
func (w *Writer) put(lane uint8, f *capture.Frame, keep int, kind Kind, at, payload int) {
	keep = min(keep, w.m.size-entryHeader)
	if at > keep || at > 0xffff {
		kind, at, payload = Bare, 0, 0
		keep = min(keep, unreadMost)
	}
	payload = min(payload, keep-at)
	need := uint32(entryHeader+keep+7) &^ 7
	s := w.now[lane]
	if s == nil || int(w.at[lane]+need) > len(s.buf) {
		if s = w.turn(lane, f.Mono); s == nil {
			w.missed++
			return
		}
	}
	b := s.buf[w.at[lane]:][:need]
	le := binary.LittleEndian
	le.PutUint32(b, uint32(keep))
	le.PutUint32(b[4:], uint32(f.Length))
	le.PutUint64(b[8:], uint64(f.Wall))
	le.PutUint16(b[16:], uint16(f.Link))
	b[18], b[19] = f.Port, byte(kind)
	le.PutUint16(b[20:], f.VLANTCI)
	le.PutUint16(b[22:], f.VLANTPID)
	le.PutUint16(b[24:], uint16(at))
	b[26], b[27] = 0, 0
	if f.HasVLAN {
		b[26] = 1
	}
	le.PutUint32(b[28:], uint32(payload))
	copy(b[entryHeader:], f.Data[:keep])
	w.at[lane] += need
	w.frames[lane]++
	w.last = f.Mono
	w.kept++
	w.octets += uint64(keep)
}

// turn goes on to the next segment.
func (w *Writer) turn(lane uint8, now int64) *segment {
	w.tell(lane)
	w.now[lane] = w.m.begin(w.now[lane], w.number, lane, now)
	w.at[lane], w.frames[lane] = 0, 0
	return w.now[lane]
}

// tell shows readers what was written.
func (w *Writer) tell(lane uint8) {
	if s := w.now[lane]; s != nil {
		s.frames.Store(w.frames[lane])
		s.last.Store(w.last)
		s.filled.Store(w.at[lane])
	}
}

// Flush shows readers what was kept so far. A worker calls it after each read.
func (w *Writer) Flush() {
	if w.kept == 0 && w.missed == 0 {
		return
	}
	w.tell(signalling)
	w.tell(media)
	w.m.kept.Add(w.kept)
	w.m.octets.Add(w.octets)
	w.m.missed.Add(w.missed)
	w.kept, w.octets, w.missed = 0, 0, 0
}
