package ring

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This is the only file of the package's shipped code that uses unsafe: for
// the offsets of the kernel's structures, as x/sys/unix declares them, and for
// the address of a block's status word. All other fields are read through
// bounds-checked slices in native byte order, so the same code is right on 32
// and 64 bit, little and big endian.

// Offsets in a block: struct tpacket_block_desc and struct tpacket_hdr_v1.
const (
	blockHdr       = int(unsafe.Offsetof(unix.TpacketBlockDesc{}.Hdr))
	blockStatus    = blockHdr + int(unsafe.Offsetof(unix.TpacketHdrV1{}.Block_status))
	blockFrames    = blockHdr + int(unsafe.Offsetof(unix.TpacketHdrV1{}.Num_pkts))
	blockFirst     = blockHdr + int(unsafe.Offsetof(unix.TpacketHdrV1{}.Offset_to_first_pkt))
	blockFirstSec  = blockHdr + int(unsafe.Offsetof(unix.TpacketHdrV1{}.Ts_first_pkt))
	blockFirstNsec = blockFirstSec + 4
	blockMin       = int(unsafe.Sizeof(unix.TpacketBlockDesc{}))
)

// Offsets in a frame header: struct tpacket3_hdr.
const (
	hdrNext    = int(unsafe.Offsetof(unix.Tpacket3Hdr{}.Next_offset))
	hdrSec     = int(unsafe.Offsetof(unix.Tpacket3Hdr{}.Sec))
	hdrNsec    = int(unsafe.Offsetof(unix.Tpacket3Hdr{}.Nsec))
	hdrSnaplen = int(unsafe.Offsetof(unix.Tpacket3Hdr{}.Snaplen))
	hdrLen     = int(unsafe.Offsetof(unix.Tpacket3Hdr{}.Len))
	hdrStatus  = int(unsafe.Offsetof(unix.Tpacket3Hdr{}.Status))
	hdrMAC     = int(unsafe.Offsetof(unix.Tpacket3Hdr{}.Mac))
	hdrHv1     = int(unsafe.Offsetof(unix.Tpacket3Hdr{}.Hv1))
	hdrTCI     = hdrHv1 + int(unsafe.Offsetof(unix.TpacketHdrVariant1{}.Vlan_tci))
	hdrTPID    = hdrHv1 + int(unsafe.Offsetof(unix.TpacketHdrVariant1{}.Vlan_tpid))
	hdrBytes   = int(unsafe.Sizeof(unix.Tpacket3Hdr{}))
)

// statusWord returns the address of block's status, shared with the kernel.
// A block starts on a page, so the word is aligned.
func statusWord(block []byte) *uint32 {
	return (*uint32)(unsafe.Pointer(&block[blockStatus]))
}

func u16(b []byte, off int) uint16 { return binary.NativeEndian.Uint16(b[off:]) }
func u32(b []byte, off int) uint32 { return binary.NativeEndian.Uint32(b[off:]) }
