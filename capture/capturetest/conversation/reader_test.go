package conversation_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"heptap/capture"
	"heptap/capture/capturetest/conversation"
)

// reader puts together what a rendering holds, by gopacket and by hand, with
// all the time and memory of the world: no window, no order, no limits.
type reader struct {
	t         *testing.T
	fragments map[string]map[int][]byte // packet -> offset -> data
	lengths   map[string]int
	done      map[string]bool
	udp       map[string]int               // by addresses and payload
	streams   map[string]map[uint32]byte   // by addresses; TCP
	chunks    map[string]map[uint32][]byte // by addresses; flags, SSN and user data of SCTP
	syn       map[string]uint32
}

func read(t *testing.T, frames []capture.Frame) *reader {
	r := &reader{t: t, fragments: map[string]map[int][]byte{}, lengths: map[string]int{}, done: map[string]bool{}, udp: map[string]int{},
		streams: map[string]map[uint32]byte{}, chunks: map[string]map[uint32][]byte{}, syn: map[string]uint32{}}
	last := int64(0)
	for i := range frames {
		if frames[i].Wall <= last {
			t.Errorf("frame %d is not later than the one before", i)
		}
		last = frames[i].Wall
		r.frame(frames[i].Data)
	}
	return r
}

func (r *reader) frame(b []byte) {
	p := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.DecodeOptions{NoCopy: true})
	n := p.NetworkLayer()
	if n == nil {
		r.t.Fatalf("no IP in %x", b)
	}
	src, dst := n.NetworkFlow().Endpoints()
	ends := src.String() + " " + dst.String()
	switch ip := n.(type) {
	case *layers.IPv4:
		if sum16(ip.Contents) != 0xffff {
			r.t.Errorf("IPv4 checksum of %x", ip.Contents)
		}
		if ip.FragOffset > 0 || ip.Flags&layers.IPv4MoreFragments != 0 {
			key := fmt.Sprint(ends, ip.Protocol, ip.Id)
			r.fragment(key, ends, uint8(ip.Protocol), int(ip.FragOffset)*8, ip.Flags&layers.IPv4MoreFragments != 0, ip.Payload)
			return
		}
		r.packet(ends, uint8(ip.Protocol), ip.Payload)
	case *layers.IPv6:
		if f, ok := p.Layer(layers.LayerTypeIPv6Fragment).(*layers.IPv6Fragment); ok {
			key := fmt.Sprint(ends, f.NextHeader, f.Identification)
			r.fragment(key, ends, uint8(f.NextHeader), int(f.FragmentOffset)*8, f.MoreFragments, f.Payload)
			return
		}
		r.packet(ends, uint8(ip.NextHeader), ip.Payload)
	}
}

func (r *reader) fragment(key, ends string, proto uint8, offset int, more bool, data []byte) {
	if r.done[key] {
		return
	}
	if r.fragments[key] == nil {
		r.fragments[key] = map[int][]byte{}
	}
	r.fragments[key][offset] = data
	if !more {
		r.lengths[key] = offset + len(data)
	}
	var body []byte
	for at := 0; r.fragments[key][at] != nil; at = len(body) {
		body = append(body, r.fragments[key][at]...)
	}
	if n, ended := r.lengths[key]; ended && len(body) == n {
		delete(r.fragments, key)
		r.done[key] = true
		r.packet(ends, proto, body)
	}
}

func (r *reader) packet(ends string, proto uint8, b []byte) {
	key := fmt.Sprintf("%s %d %d", ends, binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]))
	switch proto {
	case 17:
		r.udp[key+"\n"+string(b[8:])]++
	case 6:
		seq, flags := binary.BigEndian.Uint32(b[4:]), b[13]
		if flags&capture.FlagSYN != 0 {
			r.syn[key] = seq + 1
		}
		if r.streams[key] == nil {
			r.streams[key] = map[uint32]byte{}
		}
		for i, c := range b[int(b[12]>>4)*4:] {
			at := seq + uint32(i)
			if old, ok := r.streams[key][at]; ok && old != c && (len(b) != int(b[12]>>4)*4+1 || c != '?') {
				r.t.Errorf("%s: octet %d differs when it is sent again", key, at)
			} else if !ok {
				r.streams[key][at] = c
			}
		}
	case 132:
		r.sctp(key, b)
	default:
		r.t.Errorf("IP protocol %d", proto)
	}
}

func (r *reader) sctp(key string, b []byte) {
	sum := binary.LittleEndian.Uint32(b[8:])
	plain := bytes.Clone(b)
	copy(plain[8:12], make([]byte, 4))
	if crc32.Checksum(plain, crc32.MakeTable(crc32.Castagnoli)) != sum {
		r.t.Errorf("%s: CRC32c", key)
	}
	if r.chunks[key] == nil {
		r.chunks[key] = map[uint32][]byte{}
	}
	for b = b[12:]; len(b) > 0; {
		n := int(binary.BigEndian.Uint16(b[2:]))
		switch b[0] {
		case 0:
			tsn, data := binary.BigEndian.Uint32(b[4:]), append([]byte{b[1], b[10], b[11]}, b[16:n]...)
			if old := r.chunks[key][tsn]; old != nil && !bytes.Equal(old, data) {
				r.t.Errorf("%s: chunk %d differs when it is sent again", key, tsn)
			}
			r.chunks[key][tsn] = data
		case 1, 2:
			r.syn[key] = binary.BigEndian.Uint32(b[16:])
		}
		b = b[(n+3)&^3:]
	}
}

// sum16 is the sum of RFC 1071.
func sum16(b []byte) (sum uint32) {
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	return sum&0xffff + sum>>16
}

// bytes returns what a side wrote, in order, and fails where something is
// missing. Without a handshake the stream begins with the octet that has none
// before it.
func (r *reader) bytes(key string) (out []byte) {
	s := r.streams[key]
	start, known := r.syn[key]
	for seq := range s {
		if _, ok := s[seq-1]; !ok && !known {
			if out != nil {
				r.t.Fatalf("%s: the stream has two beginnings", key)
			}
			start, out = seq, []byte{}
		}
	}
	out = out[:0]
	for i := range uint32(len(s)) {
		c, ok := s[start+i]
		if !ok {
			r.t.Fatalf("%s: octet %d is missing", key, i)
		}
		out = append(out, c)
	}
	return out
}

// messages returns the messages of an SCTP direction in order of TSN.
func (r *reader) messages(key string) (out [][]byte) {
	c := r.chunks[key]
	if len(c) == 0 {
		return nil
	}
	tsn, known := r.syn[key]
	for n := range c {
		if _, ok := c[n-1]; !ok && !known {
			tsn = n
		}
	}
	var ssn uint16
	for i := range uint32(len(c)) {
		d, ok := c[tsn+i]
		if !ok {
			r.t.Fatalf("%s: chunk %d is missing", key, i)
		}
		n := binary.BigEndian.Uint16(d[1:])
		if d[0]&2 != 0 {
			if out != nil && n != ssn+1 {
				r.t.Errorf("%s: stream sequence number %d after %d", key, n, ssn)
			}
			ssn, out = n, append(out, nil)
		}
		if n != ssn {
			r.t.Errorf("%s: chunk of message %d in %d", key, n, ssn)
		}
		last := &out[len(out)-1]
		if *last = append(*last, d[3:]...); d[0]&1 != 0 && i+1 < uint32(len(c)) && c[tsn+i+1][0]&2 == 0 {
			r.t.Errorf("%s: nothing begins behind the end of a message", key)
		}
	}
	return out
}

// contains checks that every message of a rendering is there, in order.
func (r *reader) contains(x *conversation.Rendering) {
	r.t.Helper()
	c := x.Conversation
	for side := range conversation.Side(2) {
		from, to := c.Ends[side], c.Ends[1-side]
		key := fmt.Sprintf("%s %s %d %d", from.Addr(), to.Addr(), from.Port(), to.Port())
		var texts [][]byte
		for _, m := range c.Messages {
			if m.From == side {
				texts = append(texts, m.Text)
			}
		}
		switch c.Transport {
		case conversation.UDP:
			for _, text := range texts {
				if r.udp[key+"\n"+string(text)] == 0 {
					r.t.Errorf("%s: missing: %q", key, text)
				}
			}
		case conversation.TCP:
			rest := r.bytes(key)
			for _, text := range texts {
				i := bytes.Index(rest, text)
				if i < 0 || len(bytes.Trim(rest[:i], "\r\n")) > 0 {
					r.t.Fatalf("%s: missing, or not where it should be: %q", key, text)
				}
				rest = rest[i+len(text):]
			}
		case conversation.SCTP:
			if got := r.messages(key); !slices.EqualFunc(got, texts, bytes.Equal) {
				r.t.Errorf("%s: %d messages, want %d, or others", key, len(got), len(texts))
			}
		case conversation.WebSocket:
			got := web(r.t, r.bytes(key), x)
			if !slices.EqualFunc(got, texts, bytes.Equal) {
				r.t.Errorf("%s: %d messages, want %d, or others", key, len(got), len(texts))
			}
		}
	}
	for _, d := range c.Media {
		key := fmt.Sprintf("%s %s %d %d\n%s", d.Src.Addr(), d.Dst.Addr(), d.Src.Port(), d.Dst.Port(), d.Payload)
		if r.udp[key] == 0 {
			r.t.Errorf("media %v %v missing", d.Src, d.Dst)
		}
	}
	if len(r.fragments) > 0 {
		r.t.Errorf("%d packets in fragments without an end", len(r.fragments))
	}
}
