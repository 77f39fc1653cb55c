package rtcp

import "encoding/binary"

// Extended report block types (RFC 3611 4).
const (
	BlockLossRLE      = 1
	BlockDuplicateRLE = 2
	BlockReceiptTimes = 3
	BlockRRTR         = 4 // receiver reference time
	BlockDLRR         = 5 // delay since the last receiver reference time
	BlockStatistics   = 6
	BlockVoIPMetrics  = 7
)

// Block is one block of an extended report.
type Block struct {
	Type     uint8
	Specific uint8  // the type-specific octet of its header
	Data     []byte // without its header
}

// Blocks goes through the blocks of an XR packet.
type Blocks struct{ rest []byte }

// Blocks returns an iterator over p's blocks; it is empty when p is no XR.
func (p Packet) Blocks() Blocks {
	if p.Type != XR || len(p.Data) < headerSize+4 {
		return Blocks{}
	}
	return Blocks{p.Data[headerSize+4:]}
}

// Next returns the next block; false after the last, or where the packet is
// malformed.
func (it *Blocks) Next() (Block, bool) {
	b := it.rest
	if len(b) < 4 {
		return Block{}, false
	}
	n := 4 * (int(binary.BigEndian.Uint16(b[2:])) + 1)
	if n > len(b) {
		it.rest = nil
		return Block{}, false
	}
	it.rest = b[n:]
	return Block{Type: b[0], Specific: b[1], Data: b[4:n]}, true
}

// VoIPMetrics is a VoIP metrics block (RFC 3611 4.7). Rates and densities are
// fractions of 256, durations and delays milliseconds. Of the levels, RERL,
// R factors and MOS the value 127 means unavailable.
type VoIPMetrics struct {
	SSRC           uint32
	LossRate       uint8
	DiscardRate    uint8
	BurstDensity   uint8
	GapDensity     uint8
	BurstDuration  uint16
	GapDuration    uint16
	RoundTripDelay uint16
	EndSystemDelay uint16
	SignalLevel    int8 // dBm0
	NoiseLevel     int8 // dBm0
	RERL           uint8
	Gmin           uint8
	RFactor        uint8
	ExtRFactor     uint8
	MOSLQ          uint8 // x 10
	MOSCQ          uint8 // x 10
	RXConfig       uint8
	JBNominal      uint16
	JBMaximum      uint16
	JBAbsMax       uint16
}

// Unavailable is what VoIPMetrics says of a metric the endpoint does not know.
const Unavailable = 127

// VoIPMetrics decodes b; false when it is no VoIP metrics block.
func (b Block) VoIPMetrics() (VoIPMetrics, bool) {
	d := b.Data
	if b.Type != BlockVoIPMetrics || len(d) < 32 {
		return VoIPMetrics{}, false
	}
	u16 := binary.BigEndian.Uint16
	return VoIPMetrics{
		SSRC:     word(d, 0),
		LossRate: d[4], DiscardRate: d[5], BurstDensity: d[6], GapDensity: d[7],
		BurstDuration: u16(d[8:]), GapDuration: u16(d[10:]),
		RoundTripDelay: u16(d[12:]), EndSystemDelay: u16(d[14:]),
		SignalLevel: int8(d[16]), NoiseLevel: int8(d[17]), RERL: d[18], Gmin: d[19],
		RFactor: d[20], ExtRFactor: d[21], MOSLQ: d[22], MOSCQ: d[23],
		RXConfig:  d[24],
		JBNominal: u16(d[26:]), JBMaximum: u16(d[28:]), JBAbsMax: u16(d[30:]),
	}, true
}

// Statistics is a statistics summary block (RFC 3611 4.6). The Has fields say
// which of the others the endpoint filled in.
type Statistics struct {
	SSRC                                        uint32
	BeginSeq, EndSeq                            uint16 // of [BeginSeq, EndSeq)
	HasLoss, HasDuplicates, HasJitter           bool
	TTL                                         uint8 // 0: no TTL, 1: IPv4 TTL, 2: IPv6 hop limit
	Lost, Duplicates                            uint32
	MinJitter, MaxJitter, MeanJitter, DevJitter uint32 // timestamp units
	MinTTL, MaxTTL, MeanTTL, DevTTL             uint8
}

// Statistics decodes b; false when it is no statistics summary block.
func (b Block) Statistics() (Statistics, bool) {
	d := b.Data
	if b.Type != BlockStatistics || len(d) < 36 {
		return Statistics{}, false
	}
	return Statistics{
		SSRC:     word(d, 0),
		BeginSeq: binary.BigEndian.Uint16(d[4:]), EndSeq: binary.BigEndian.Uint16(d[6:]),
		HasLoss: b.Specific&0x80 != 0, HasDuplicates: b.Specific&0x40 != 0, HasJitter: b.Specific&0x20 != 0,
		TTL:  b.Specific >> 3 & 3,
		Lost: word(d, 2), Duplicates: word(d, 3),
		MinJitter: word(d, 4), MaxJitter: word(d, 5), MeanJitter: word(d, 6), DevJitter: word(d, 7),
		MinTTL: d[32], MaxTTL: d[33], MeanTTL: d[34], DevTTL: d[35],
	}, true
}

// RRTR returns the NTP timestamp of a receiver reference time block (RFC 3611
// 4.4); false when b is none.
func (b Block) RRTR() (seconds, fraction uint32, ok bool) {
	if b.Type != BlockRRTR || len(b.Data) < 8 {
		return 0, 0, false
	}
	return word(b.Data, 0), word(b.Data, 1), true
}

// DLRR returns sub-block i of a DLRR block (RFC 3611 4.5): the receiver it is
// about, the middle 32 bits of its last RRTR time and the delay since, in
// 1/65536 s; false when there is none.
func (b Block) DLRR(i int) (ssrc, lastRR, delay uint32, ok bool) {
	if b.Type != BlockDLRR || i < 0 || i >= len(b.Data)/12 {
		return 0, 0, 0, false
	}
	return word(b.Data, 3*i), word(b.Data, 3*i+1), word(b.Data, 3*i+2), true
}

// sequence returns the source and the range of sequence numbers [begin, end)
// that the RLE and receipt time blocks are about (RFC 3611 4.1-4.3).
func (b Block) sequence() (ssrc uint32, begin, end uint16, ok bool) {
	if b.Type < BlockLossRLE || b.Type > BlockReceiptTimes || len(b.Data) < 8 {
		return 0, 0, 0, false
	}
	return word(b.Data, 0), binary.BigEndian.Uint16(b.Data[4:]), binary.BigEndian.Uint16(b.Data[6:]), true
}
