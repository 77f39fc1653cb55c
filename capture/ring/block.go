package ring

import (
	"golang.org/x/sys/unix"

	"heptap/capture"
)

// walker walks the frames of one block. The zero walker has none left.
type walker struct {
	block []byte
	off   uint32 // of the next frame's header
	left  uint32 // frames still to hand out
	sum   uint32 // of readAhead, so that its reads are not left out
}

// start takes a block that belongs to us. Nothing is copied.
func (w *walker) start(block []byte) {
	*w = walker{block: block}
	if len(block) >= blockMin {
		w.off, w.left = u32(block, blockFirst), u32(block, blockFrames)
	}
}

// fill hands out the next frames of the block and returns how many. Fewer
// than len(frames) with left > 0 means that the block contradicts itself at
// off; the frames before that are good.
func (w *walker) fill(frames []capture.Frame, clk *clock, link capture.LinkType, port uint8) int {
	block, off, left, n := w.block, w.off, w.left, 0
	for n < len(frames) && left > 0 {
		if n%aheadFrames == 0 {
			w.readAhead(off)
		}
		if uint64(off)+uint64(hdrBytes) > uint64(len(block)) {
			break
		}
		h := block[off:][:hdrBytes:hdrBytes]
		snaplen := u32(h, hdrSnaplen)
		begin := uint64(off) + uint64(u16(h, hdrMAC))
		end := begin + uint64(snaplen)
		next := u32(h, hdrNext)
		if end > uint64(len(block)) || (left > 1 && next < uint32(hdrBytes)) {
			break
		}
		f := &frames[n]
		f.Data = block[begin:end:end]
		f.Length = int(u32(h, hdrLen))
		status := u32(h, hdrStatus)
		stamp := int64(u32(h, hdrSec))*1e9 + int64(u32(h, hdrNsec))
		if status&unix.TP_STATUS_TS_RAW_HARDWARE != 0 {
			f.Wall, f.Mono = clk.byCard(stamp)
		} else {
			f.Wall, f.Mono = stamp, clk.bySystem(stamp)
		}
		f.Link, f.Port, f.Hidden = link, port, false
		f.HasVLAN, f.VLANTCI, f.VLANTPID = vlan(h, status)
		n++
		left--
		if left > 0 && uint64(off)+uint64(next) > uint64(len(block)) {
			off = uint32(len(block)) // the next turn finds it out of bounds
			break
		}
		off += next
	}
	w.off, w.left = off, left
	return n
}

// What readAhead reads of the frames that come next.
const (
	aheadFrames = 16
	cacheLine   = 64
	maxAhead    = 2048 // longer frames are few
	aheadLines  = 3    // ring header, link and network headers, and the first of the payload
)

// readAhead reads the first cache lines of the next frames, as if they were all
// as long as the one at off: under RTP they mostly are. The kernel wrote them on
// another core, and walking them one after the other would wait for each in
// turn; these reads are under way together. What is read is not used.
func (w *walker) readAhead(off uint32) {
	if uint64(off)+uint64(hdrBytes) > uint64(len(w.block)) {
		return
	}
	stride := u32(w.block[off:], hdrNext)
	if stride < uint32(hdrBytes) || stride > maxAhead {
		return
	}
	sum := uint32(0)
	for at := uint64(off) + uint64(stride); at < uint64(off)+aheadFrames*uint64(stride); at += uint64(stride) {
		if at+aheadLines*cacheLine > uint64(len(w.block)) {
			break
		}
		for line := uint64(0); line < aheadLines*cacheLine; line += cacheLine {
			sum += uint32(w.block[at+line])
		}
	}
	w.sum = sum
}

// vlan reads the tag the kernel took off the frame. The flags decide, not the
// TCI: a priority tag of class 0 has TCI 0. Kernels before 3.14 do not say
// which TPID it was.
func vlan(h []byte, status uint32) (has bool, tci, tpid uint16) {
	if status&unix.TP_STATUS_VLAN_VALID == 0 {
		return false, 0, 0
	}
	tpid = unix.ETH_P_8021Q
	if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		tpid = u16(h, hdrTPID)
	}
	return true, uint16(u32(h, hdrTCI)), tpid
}
