package pcapfile

import (
	"encoding/binary"
	"fmt"
	"io"

	"heptap/capture"
)

// Options that a Writer writes.
const (
	optionComment = 1
	optionName    = 2
	optionApp     = 4

	nanoseconds = 9 // if_tsresol: ticks of 10^-9 s

	maxComment = 4 << 10
	vlanTag    = 4 // octets of a tag, behind the two addresses
	addresses  = 12
)

// Writer writes a pcapng file of one section, in little-endian order, with
// times in nanoseconds. It is not for concurrent use. Errors are the underlying
// writer's: after one the file ends in the middle of a block.
type Writer struct {
	w       io.Writer
	block   []byte
	ifaces  uint32
	Written int64 // octets so far
}

// NewWriter begins a file: application names the program that writes it, and
// comment, if it is not empty, says what it is.
func NewWriter(w io.Writer, application, comment string) (*Writer, error) {
	p := &Writer{w: w}
	p.begin(blockSection)
	p.u32(orderMagic)
	p.u16(1)
	p.u16(0)
	p.u32(0xffffffff) // the section's length is not given
	p.u32(0xffffffff)
	p.option(optionComment, comment)
	p.option(optionApp, application)
	p.end()
	return p, p.flush()
}

// Interface adds an interface whose frames begin as link says, and returns its
// number. snapLength is the most octets it captured of a frame, 0 for all.
func (p *Writer) Interface(name string, link capture.LinkType, snapLength uint32, comment string) (id uint32, err error) {
	p.begin(blockInterface)
	p.u16(uint16(link))
	p.u16(0)
	p.u32(snapLength)
	p.option(optionComment, comment)
	p.option(optionName, name)
	p.u16(optionTSResol)
	p.u16(1)
	p.u32(nanoseconds)
	p.end()
	id = p.ifaces
	p.ifaces++
	return id, p.flush()
}

// Frame writes one frame of the interface id, with a VLAN tag that the kernel has
// taken out put back in. It retains nothing of f.
func (p *Writer) Frame(id uint32, f *capture.Frame, comment string) error {
	if id >= p.ifaces {
		return fmt.Errorf("pcapng: interface %d of %d", id, p.ifaces)
	}
	data, length, tagged := f.Data, max(f.Length, len(f.Data)), f.HasVLAN && f.Link == capture.LinkEthernet && len(f.Data) >= addresses
	captured := len(data)
	if tagged {
		captured, length = captured+vlanTag, length+vlanTag
	}
	if captured > MaxFrame {
		return fmt.Errorf("pcapng: frame of %d octets is above %d", captured, MaxFrame)
	}
	p.begin(blockEnhanced)
	p.u32(id)
	p.u32(uint32(uint64(f.Wall) >> 32))
	p.u32(uint32(f.Wall))
	p.u32(uint32(captured))
	p.u32(uint32(length))
	if tagged {
		p.block = append(p.block, data[:addresses]...)
		tpid := f.VLANTPID
		if tpid == 0 {
			tpid = 0x8100 // IEEE 802.1Q 9.6
		}
		p.block = binary.BigEndian.AppendUint16(p.block, tpid)
		p.block = binary.BigEndian.AppendUint16(p.block, f.VLANTCI)
		data = data[addresses:]
	}
	p.block = append(p.block, data...)
	p.pad()
	if comment != "" {
		p.option(optionComment, comment)
		p.u32(optionEnd)
	}
	p.close()
	return p.flush()
}

func (p *Writer) u16(v uint16) { p.block = binary.LittleEndian.AppendUint16(p.block, v) }
func (p *Writer) u32(v uint32) { p.block = binary.LittleEndian.AppendUint32(p.block, v) }

func (p *Writer) begin(kind uint32) {
	p.block = p.block[:0]
	p.u32(kind)
	p.u32(0) // the length, see close
}

func (p *Writer) pad() {
	for len(p.block)%4 != 0 {
		p.block = append(p.block, 0)
	}
}

// option adds a text; an empty one is left out, a long one is cut.
func (p *Writer) option(code uint16, text string) {
	if text == "" {
		return
	}
	text = text[:min(len(text), maxComment)]
	p.u16(code)
	p.u16(uint16(len(text)))
	p.block = append(p.block, text...)
	p.pad()
}

// end ends a block that has options.
func (p *Writer) end() {
	p.u32(optionEnd)
	p.close()
}

func (p *Writer) close() {
	total := uint32(len(p.block) + blockTrailer)
	p.u32(total)
	binary.LittleEndian.PutUint32(p.block[4:], total)
}

func (p *Writer) flush() error {
	n, err := p.w.Write(p.block)
	p.Written += int64(n)
	if err != nil {
		return fmt.Errorf("pcapng: %w", err)
	}
	return nil
}
