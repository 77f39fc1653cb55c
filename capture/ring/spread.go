package ring

import (
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Scratch memory of the program that spreads.
const (
	spreadType  = iota // an ethertype, a protocol or a flags field
	spreadSrc          // addresses, folded to a word
	spreadDst          //
	spreadSport        // ports
	spreadDport        //
	spreadSum          // of the endpoints so far
	spreadHere         // X, while it is needed for something else
	spreadWord         // the words of an IPv6 address: this and three more
)

// Odd numbers to multiply with, of MurmurHash3.
const (
	mixOne = 0x85ebca6b
	mixTwo = 0xc2b2ae35
)

// spreadLevels is how many IP headers the program looks at, one inside the
// other: two tunnels.
const spreadLevels = 3

// spreadTags is how many VLAN tags, labels or extension headers it skips.
const spreadTags = 4

// spreader makes the program that spreads frames over the rings of a group by
// the innermost flow, the same in both directions. What is a tunnel it decides as
// package decode does, but more cheaply: it is no harm when it is wrong.
//
// X is the offset of the header at hand. All there is to do at one level ends in
// a jump to a label of the next, or to one of the two ways to finish.
type spreader struct {
	program
	levels        [spreadLevels]spreadLevel
	ports, nobody label // finish: with the ports at X, or without
	give          label // up: nothing to tell frames apart by
}

// spreadLevel is where headers of one level are read.
type spreadLevel struct {
	ether label // an Ethernet header is at X
	typed label // what the ethertype in A says is at X
	ip    label // IP of some version
	four  label
	six   label
}

// spreadProgram returns the program as the kernel runs it (PACKET_FANOUT_CBPF):
// the network header is at 0, but that of an outgoing frame behind its link
// header, which is link octets long.
func spreadProgram(link int) ([]bpf.RawInstruction, error) {
	g := newSpreader()
	incoming, start := g.label(), g.label()
	g.emit(bpf.LoadExtension{Num: bpf.ExtType})
	g.emit(bpf.LoadConstant{Dst: bpf.RegX, Val: uint32(link)})
	g.ifA(bpf.JumpEqual, unix.PACKET_OUTGOING, start, incoming)
	g.here(incoming)
	g.emit(bpf.LoadConstant{Dst: bpf.RegX, Val: 0})
	g.here(start)
	g.emit(bpf.LoadExtension{Num: bpf.ExtProto})
	g.jump(g.levels[0].typed)
	return bpf.Assemble(g.rest())
}

func newSpreader() *spreader {
	g := &spreader{}
	for i := range g.levels {
		g.levels[i] = spreadLevel{g.label(), g.label(), g.label(), g.label(), g.label()}
	}
	g.ports, g.nobody, g.give = g.label(), g.label(), g.label()
	return g
}

// rest appends all but the beginning.
func (g *spreader) rest() []bpf.Instruction {
	for i := range g.levels {
		g.level(i)
	}
	g.finish()
	return g.layout()
}

// load loads size octets at X+off.
func (g *spreader) load(off uint32, size int) { g.emit(bpf.LoadIndirect{Off: off, Size: size}) }

func (g *spreader) store(n int) { g.emit(bpf.StoreScratch{Src: bpf.RegA, N: n}) }
func (g *spreader) fetch(n int) { g.emit(bpf.LoadScratch{Dst: bpf.RegA, N: n}) }

func (g *spreader) alu(op bpf.ALUOp, val uint32) {
	g.emit(bpf.ALUOpConstant{Op: op, Val: val})
}

// ahead moves X n octets on, and changes A.
func (g *spreader) ahead(n uint32) {
	g.emit(bpf.TXA{})
	g.alu(bpf.ALUOpAdd, n)
	g.emit(bpf.TAX{})
}

// aheadA moves X on by A.
func (g *spreader) aheadA() {
	g.emit(bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.TAX{})
}

// when goes to t if A is val, and on if not.
func (g *spreader) when(val uint32, t label) {
	next := g.label()
	g.ifA(bpf.JumpEqual, val, t, next)
	g.here(next)
}

// level reads from a link header or an IP header on.
func (g *spreader) level(i int) {
	l := g.levels[i]
	protocol := g.label() // the IP protocol is in A, its header at X

	g.here(l.ether)
	g.load(12, 2)
	g.store(spreadType)
	g.ahead(14)
	g.fetch(spreadType)
	g.here(l.typed)
	g.typed(i)

	g.here(l.ip)
	g.load(0, 1)
	g.alu(bpf.ALUOpShiftRight, 4)
	g.when(4, l.four)
	g.when(6, l.six)
	g.jump(g.give)

	g.here(l.four)
	g.ipv4(protocol)
	g.here(l.six)
	g.ipv6(protocol)
	g.here(protocol)
	g.protocol(i)
}

// typed reads what the ethertype in A says, behind VLAN tags.
func (g *spreader) typed(i int) {
	l := g.levels[i]
	mpls, pppoe, untagged := g.label(), g.label(), g.label()
	for range spreadTags {
		tag := g.label()
		for _, etherType := range []uint32{0x8100, 0x88a8, 0x9100} {
			g.when(etherType, tag)
		}
		g.jump(untagged)
		g.here(tag)
		g.load(2, 2)
		g.store(spreadType)
		g.ahead(4)
		g.fetch(spreadType)
	}
	g.here(untagged)
	g.when(0x0800, l.four)
	g.when(0x86dd, l.six)
	g.when(0x8847, mpls)
	g.when(0x8848, mpls)
	g.when(0x8864, pppoe)
	g.jump(g.give)

	g.here(mpls)
	g.stack(i)
	g.here(pppoe) // IP behind session and protocol
	g.ahead(8)
}

// stack reads a label stack. Below is IP, or a frame with a control word or
// without; jumps go only ahead, so the frame is one of the next level.
func (g *spreader) stack(i int) {
	l, bottom := g.levels[i], g.label()
	for range spreadTags {
		last, more := g.label(), g.label()
		g.load(0, 4)
		g.ifA(bpf.JumpBitsSet, 0x100, last, more)
		g.here(last)
		g.ahead(4)
		g.jump(bottom)
		g.here(more)
		g.ahead(4)
	}
	g.jump(g.give)
	g.here(bottom)
	g.load(0, 1)
	g.alu(bpf.ALUOpShiftRight, 4)
	g.when(4, l.four)
	g.when(6, l.six)
	if i+1 == len(g.levels) {
		g.jump(g.give)
		return
	}
	frame := g.levels[i+1].ether
	g.load(0, 4)
	g.unless(bpf.JumpEqual, 0, frame)
	g.ahead(4)
	g.jump(frame)
}

// ipv4 takes note of the addresses and goes to next, or gives up on ports.
func (g *spreader) ipv4(next label) {
	for i, m := range []int{spreadSrc, spreadDst} {
		g.load(uint32(12+4*i), 4)
		g.store(m)
	}
	g.load(6, 2)
	whole := g.label()
	g.ifA(bpf.JumpBitsSet, 0x3fff, g.nobody, whole) // all fragments go one way
	g.here(whole)
	g.load(9, 1)
	g.store(spreadType)
	g.load(0, 1)
	g.alu(bpf.ALUOpAnd, 15)
	g.alu(bpf.ALUOpShiftLeft, 2)
	g.aheadA()
	g.fetch(spreadType)
	g.jump(next)
}

// ipv6 does the same, behind extension headers. A fragment header is a protocol
// without ports.
func (g *spreader) ipv6(next label) {
	g.emit(bpf.TXA{})
	g.store(spreadHere)
	for i, m := range []int{spreadSrc, spreadDst} {
		for w := range 4 {
			g.load(uint32(8+16*i+4*w), 4)
			g.store(spreadWord + w)
		}
		g.fetch(spreadWord)
		for w := range 3 {
			g.alu(bpf.ALUOpMul, mixTwo)
			g.emit(bpf.LoadScratch{Dst: bpf.RegX, N: spreadWord + w + 1}, bpf.ALUOpX{Op: bpf.ALUOpXor})
		}
		g.store(m)
		g.emit(bpf.LoadScratch{Dst: bpf.RegX, N: spreadHere})
	}
	g.load(6, 1)
	g.store(spreadType)
	g.ahead(40)
	for range spreadTags {
		extension := g.label()
		g.fetch(spreadType)
		for _, header := range []uint32{0, 43, 60} {
			g.when(header, extension)
		}
		g.jump(next)
		g.here(extension)
		g.load(0, 1)
		g.store(spreadType)
		g.load(1, 1)
		g.alu(bpf.ALUOpAdd, 1)
		g.alu(bpf.ALUOpShiftLeft, 3)
		g.aheadA()
	}
	g.fetch(spreadType)
	g.jump(next)
}

// protocol goes on by the IP protocol in A.
func (g *spreader) protocol(i int) {
	g.when(6, g.ports)
	g.when(132, g.ports)
	if i+1 == len(g.levels) {
		g.ifA(bpf.JumpEqual, 17, g.ports, g.nobody)
		return
	}
	next, udp, gre := g.levels[i+1], g.label(), g.label()
	g.when(17, udp)
	g.when(47, gre)
	g.when(4, next.four)
	g.when(41, next.six)
	g.jump(g.nobody)
	g.here(gre)
	g.gre(next)
	g.here(udp)
	g.udp(next)
}

// gre reads GRE, and ERSPAN in it.
func (g *spreader) gre(next spreadLevel) {
	g.load(0, 2)
	g.store(spreadType)
	sane := g.label()
	g.ifA(bpf.JumpBitsSet, 0x4007, g.nobody, sane) // routing, or another version
	g.here(sane)
	two, three, frame := g.label(), g.label(), g.label()
	g.load(2, 2)
	g.store(spreadDport)
	g.ahead(4)
	for _, field := range []uint32{0x8000, 0x2000, 0x1000} { // checksum, key, sequence number
		there, not := g.label(), g.label()
		g.fetch(spreadType)
		g.ifA(bpf.JumpBitsSet, field, there, not)
		g.here(there)
		g.ahead(4)
		g.here(not)
	}
	g.fetch(spreadDport)
	g.when(0x6558, frame)
	g.when(0x88be, two)
	g.when(0x22eb, three)
	g.jump(next.typed)

	g.here(two) // type I has no sequence number and no header
	numbered := g.label()
	g.fetch(spreadType)
	g.ifA(bpf.JumpBitsSet, 0x1000, numbered, frame)
	g.here(numbered)
	g.ahead(8)
	g.jump(frame)
	g.here(three)
	longer, enough := g.label(), g.label()
	g.load(10, 2) // frame type, and whether there is a platform's subheader
	g.store(spreadType)
	g.ahead(12)
	g.fetch(spreadType)
	g.ifA(bpf.JumpBitsSet, 1, longer, enough)
	g.here(longer)
	g.ahead(8)
	g.here(enough)
	g.fetch(spreadType)
	g.alu(bpf.ALUOpAnd, 0x7c00)
	g.when(2<<10, next.ip)
	g.here(frame)
	g.jump(next.ether)
}

// udp finds tunnels by their port, and opens them if their header is right.
func (g *spreader) udp(next spreadLevel) {
	vxlan, geneve, gtp, tzsp := g.label(), g.label(), g.label(), g.label()
	g.load(2, 2)
	g.when(4789, vxlan)
	g.when(8472, vxlan)
	g.when(6081, geneve)
	g.when(2152, gtp)
	g.when(37008, tzsp)
	g.jump(g.ports)

	g.here(vxlan)
	g.load(8, 4)
	g.alu(bpf.ALUOpAnd, 0x7f000000) // but for the group policy
	g.unless(bpf.JumpEqual, 0x08000000, g.ports)
	g.ahead(16)
	g.jump(next.ether)

	g.here(geneve)
	g.load(8, 4)
	g.alu(bpf.ALUOpAnd, 0xc000ffff)
	g.unless(bpf.JumpEqual, 0x6558, g.ports)
	g.load(8, 1)
	g.alu(bpf.ALUOpAnd, 0x3f)
	g.alu(bpf.ALUOpShiftLeft, 2)
	g.alu(bpf.ALUOpAdd, 16)
	g.aheadA()
	g.jump(next.ether)

	g.here(tzsp)
	g.load(8, 4)
	g.unless(bpf.JumpEqual, 0x01000001, g.ports)
	g.load(12, 1) // no tags: the end
	g.unless(bpf.JumpEqual, 1, g.ports)
	g.ahead(13)
	g.jump(next.ether)

	g.here(gtp)
	g.gtp(next)
}

// gtp reads the header of a G-PDU and its extensions.
func (g *spreader) gtp(next spreadLevel) {
	long, short, inside := g.label(), g.label(), g.label()
	g.load(8, 2)
	g.store(spreadType)
	g.alu(bpf.ALUOpAnd, 0xf8ff)
	g.unless(bpf.JumpEqual, 0x30ff, g.ports)
	g.fetch(spreadType)
	g.ifA(bpf.JumpBitsSet, 0x0700, long, short)
	g.here(short)
	g.ahead(16)
	g.jump(next.ip)
	g.here(long)
	extended, bare := g.label(), g.label()
	g.ifA(bpf.JumpBitsSet, 0x0400, extended, bare)
	g.here(bare)
	g.ahead(20)
	g.jump(next.ip)
	g.here(extended)
	g.load(19, 1) // the type of the first extension
	g.store(spreadType)
	g.ahead(20)
	for range spreadTags {
		one := g.label()
		g.fetch(spreadType)
		g.ifA(bpf.JumpEqual, 0, inside, one)
		g.here(one)
		g.load(0, 1) // in words of 4 octets; the last octet is the type of the next
		g.alu(bpf.ALUOpShiftLeft, 2)
		g.alu(bpf.ALUOpSub, 1)
		g.aheadA()
		g.load(0, 1)
		g.store(spreadType)
		g.ahead(1)
	}
	g.here(inside)
	g.jump(next.ip)
}

// finish makes a number of addresses and ports. Each end is mixed alone and the
// two are added, so that the directions are the same.
func (g *spreader) finish() {
	mix := g.label()
	g.here(g.ports)
	g.load(0, 2)
	g.store(spreadSport)
	g.load(2, 2)
	g.store(spreadDport)
	g.jump(mix)
	g.here(g.nobody)
	g.emit(bpf.LoadConstant{Dst: bpf.RegA, Val: 0})
	g.store(spreadSport)
	g.store(spreadDport)
	g.here(mix)
	g.end(spreadSrc, spreadSport)
	g.store(spreadSum)
	g.end(spreadDst, spreadDport)
	g.emit(bpf.LoadScratch{Dst: bpf.RegX, N: spreadSum}, bpf.ALUOpX{Op: bpf.ALUOpAdd})
	g.alu(bpf.ALUOpMul, mixTwo)
	g.alu(bpf.ALUOpShiftRight, 16) // the upper half is the better one; the kernel takes the rest of a division
	g.emit(bpf.RetA{})
	g.here(g.give)
	g.emit(bpf.RetConstant{Val: 0})
}

// end leaves in A what an address and its port come to. X is lost.
func (g *spreader) end(address, port int) {
	g.fetch(port)
	g.alu(bpf.ALUOpMul, mixTwo)
	g.emit(bpf.LoadScratch{Dst: bpf.RegX, N: address}, bpf.ALUOpX{Op: bpf.ALUOpAdd})
	g.alu(bpf.ALUOpMul, mixOne)
	g.emit(bpf.TAX{})
	g.alu(bpf.ALUOpShiftRight, 15)
	g.emit(bpf.ALUOpX{Op: bpf.ALUOpXor})
}
