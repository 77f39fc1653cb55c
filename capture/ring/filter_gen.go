package ring

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"heptap/capture"
)

// passAll is a program's result for a frame it passes: no cut.
const passAll = 0xffffffff

// Ethertypes of VLAN tags: 802.1Q, 802.1ad, and what came before the latter.
var tagTypes = []uint32{0x8100, 0x88a8, 0x9100}

const ethHeader = 14

// Scratch cells, for frames with tags in the data.
const (
	cellL3   = 0 // offset of the network header
	cellType = 1 // ethertype there; 0 if it is not there any more
)

// generator makes a program. The body is made three times: for Ethernet
// frames without a tag in the data, which are nearly all and whose offsets are
// constants; for those with tags, by way of a cell; and for devices without a
// link header. Nothing is loaded from beyond the end of the frame, as that
// would end the program with 0: lengths are compared first.
type generator struct {
	program
	own        []Endpoint
	tree       node
	pass, drop label
	hide       label // what the expression does not match
}

// view is one of the three ways to look at a frame.
type view struct {
	raw    bool   // the network header is at 0
	tagged bool   // it is where cellL3 says
	l3     uint32 // or here
}

func generate(own []Endpoint, tree node, sample bool) []bpf.Instruction {
	if len(own) == 0 && tree == nil {
		return []bpf.Instruction{bpf.RetConstant{Val: passAll}}
	}
	g := &generator{own: own, tree: tree}
	g.pass, g.drop = g.label(), g.label()
	g.hide = g.drop
	sample = sample && tree != nil // without an expression nothing is hidden
	if sample {
		g.hide = g.label()
	}
	ether, raw, plain, tagged, short := g.label(), g.label(), g.label(), g.label(), g.label()

	g.emit(bpf.LoadExtension{Num: bpf.ExtLinkLayerType})
	next := g.label()
	g.ifA(bpf.JumpEqual, unix.ARPHRD_ETHER, ether, next)
	g.here(next)
	g.ifA(bpf.JumpEqual, unix.ARPHRD_LOOPBACK, ether, raw)

	g.here(ether)
	g.emit(bpf.LoadExtension{Num: bpf.ExtLen})
	g.unless(bpf.JumpGreaterOrEqual, ethHeader, short)
	g.emit(bpf.LoadAbsolute{Off: 12, Size: 2})
	g.oneOf(tagTypes, tagged, plain)

	g.here(plain)
	g.body(view{l3: ethHeader})

	g.here(tagged)
	g.skipTags(short)
	g.body(view{tagged: true})

	g.here(raw)
	g.body(view{raw: true})

	g.here(g.pass)
	g.emit(bpf.RetConstant{Val: passAll})
	g.here(g.drop)
	g.emit(bpf.RetConstant{Val: 0})
	if sample {
		g.here(g.hide)
		g.sample()
	}
	return g.layout()
}

// sampleCut is how far before the end of a sampling program the length stands, twice,
// to which every frame is cut: see withSnaplen.
const sampleCut = 4

// sample passes one frame in SampleEvery without the last octet of what would pass
// of it otherwise. It is the end of the program.
func (g *generator) sample() {
	g.emit(bpf.LoadExtension{Num: bpf.ExtRand}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: SampleEvery - 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: passAll, SkipFalse: 1},
		bpf.LoadConstant{Dst: bpf.RegA, Val: passAll},
		bpf.ALUOpConstant{Op: bpf.ALUOpSub, Val: 1},
		bpf.RetA{})
}

// skipTags fills the cells. A holds the ethertype at 12, which is a tag's.
// Frames too short for Ethernet come in at short.
func (g *generator) skipTags(short label) {
	end := g.label()
	cut := make([]label, capture.MaxVLANTags)
	for i := range capture.MaxVLANTags {
		off := uint32(12 + 4*i)
		cut[i] = g.label()
		found, next := g.label(), g.label()
		g.emit(bpf.LoadExtension{Num: bpf.ExtLen})
		g.unless(bpf.JumpGreaterOrEqual, off+6, cut[i])
		g.emit(bpf.LoadAbsolute{Off: off + 4, Size: 2})
		if i < capture.MaxVLANTags-1 {
			g.oneOf(tagTypes, next, found)
		}
		g.here(found)
		g.emit(bpf.StoreScratch{Src: bpf.RegA, N: cellType}, bpf.LoadConstant{Dst: bpf.RegA, Val: off + 6},
			bpf.StoreScratch{Src: bpf.RegA, N: cellL3})
		g.jump(end)
		g.here(next)
	}
	for i, l := range cut {
		g.here(l)
		if i == 0 {
			g.here(short)
		}
		g.emit(bpf.LoadConstant{Dst: bpf.RegA, Val: 0}, bpf.StoreScratch{Src: bpf.RegA, N: cellType},
			bpf.LoadConstant{Dst: bpf.RegA, Val: uint32(ethHeader + 4*i)}, bpf.StoreScratch{Src: bpf.RegA, N: cellL3})
		g.jump(end)
	}
	g.here(end)
}

// body is the whole filter on one view.
func (g *generator) body(v view) {
	foreign := g.label()
	g.ownFlows(v, foreign)
	g.here(foreign)
	if g.tree == nil {
		g.jump(g.pass)
		return
	}
	g.node(v, g.tree, g.pass, g.hide)
}

func (g *generator) node(v view, n node, t, f label) {
	switch n := n.(type) {
	case and:
		next := g.label()
		g.node(v, n.a, next, f)
		g.here(next)
		g.node(v, n.b, t, f)
	case or:
		next := g.label()
		g.node(v, n.a, t, next)
		g.here(next)
		g.node(v, n.b, t, f)
	case not:
		g.node(v, n.a, f, t)
	case protoTerm:
		g.proto(v, n.p, t, f)
	case hostTerm:
		g.family(v, n.prefix.Addr().Is4(), f)
		g.directed(n.dir, t, f, func(second uint32, t, f label) { g.addr(v, n.prefix, second, t, f) })
	case portTerm:
		g.ports(v, n, t, f)
	case etherTerm:
		g.ether(v, n, t, f)
	case vlanTerm:
		g.vlan(v, n.id, t, f)
	}
}

// directed tests the source (0), the destination (1), or both of them.
func (g *generator) directed(dir direction, t, f label, test func(second uint32, t, f label)) {
	next := g.label()
	switch dir {
	case source:
		test(0, t, f)
	case destination:
		test(1, t, f)
	case either:
		test(0, t, next)
	case both:
		test(0, next, f)
	}
	g.here(next)
	if dir == either || dir == both {
		test(1, t, f)
	}
}

// oneOf goes to t if A is one of vals.
func (g *generator) oneOf(vals []uint32, t, f label) {
	for i, val := range vals {
		if i == len(vals)-1 {
			g.ifA(bpf.JumpEqual, val, t, f)
			return
		}
		next := g.label()
		g.ifA(bpf.JumpEqual, val, t, next)
		g.here(next)
	}
}

// load puts what is off octets into the network header into A.
func (g *generator) load(v view, off uint32, size int) {
	if v.tagged {
		g.emit(bpf.LoadScratch{Dst: bpf.RegX, N: cellL3}, bpf.LoadIndirect{Off: off, Size: size})
		return
	}
	g.emit(bpf.LoadAbsolute{Off: v.l3 + off, Size: size})
}

// reach goes to f unless the frame holds n octets from the network header on.
func (g *generator) reach(v view, n uint32, f label) {
	g.emit(bpf.LoadExtension{Num: bpf.ExtLen})
	if v.tagged { // the cell is never more than the length
		g.emit(bpf.LoadScratch{Dst: bpf.RegX, N: cellL3}, bpf.ALUOpX{Op: bpf.ALUOpSub})
	}
	g.unless(bpf.JumpGreaterOrEqual, v.l3+n, f)
}

// ethertype goes to f unless the network header is of that type.
func (g *generator) ethertype(v view, typ uint32, f label) {
	if v.tagged {
		g.emit(bpf.LoadScratch{Dst: bpf.RegA, N: cellType})
	} else {
		g.emit(bpf.LoadAbsolute{Off: 12, Size: 2})
	}
	g.unless(bpf.JumpEqual, typ, f)
}

// family goes to f unless there is a whole IPv4 or IPv6 header.
func (g *generator) family(v view, v4 bool, f label) {
	typ, length, version := uint32(0x86dd), uint32(ip6Header), uint32(0x60)
	if v4 {
		typ, length, version = 0x0800, ip4Header, 0x40
	}
	if !v.raw {
		g.ethertype(v, typ, f)
		g.reach(v, length, f)
		return
	}
	g.reach(v, length, f)
	g.load(v, 0, 1)
	g.emit(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0})
	g.unless(bpf.JumpEqual, version, f)
}

// Offsets in the IP headers: RFC 791 section 3.1, RFC 8200 section 3.
const (
	ip4Header, ip6Header = 20, 40
	ip4Frag              = 6
	ip4Proto, ip6Next    = 9, 6
	ip4Addr, ip6Addr     = 12, 8
)

func (g *generator) proto(v view, p proto, t, f label) {
	spec := protoSpecs[p]
	switch {
	case p == protoIP || p == protoIP6:
		g.family(v, p == protoIP, f)
		g.jump(t)
		return
	case p == protoARP:
		if !v.raw {
			g.ethertype(v, spec.ethertype, f)
			g.jump(t)
			return
		}
		g.jump(f)
		return
	}
	six := f
	if spec.v4 && spec.v6 {
		six = g.label()
	}
	if spec.v4 {
		g.family(v, true, six)
		g.load(v, ip4Proto, 1)
		g.ifA(bpf.JumpEqual, spec.number, t, f)
	}
	if spec.v6 {
		if spec.v4 {
			g.here(six)
		}
		g.family(v, false, f)
		g.load(v, ip6Next, 1)
		g.ifA(bpf.JumpEqual, spec.number, t, f)
	}
}

// addr compares the source (second 0) or destination address with prefix.
// The family has been tested.
func (g *generator) addr(v view, prefix netip.Prefix, second uint32, t, f label) {
	b, off := prefix.Addr().AsSlice(), uint32(ip6Addr)+16*second
	if len(b) == 4 {
		off = ip4Addr + 4*second
	}
	for bits := prefix.Bits(); bits > 0; bits -= 32 {
		g.load(v, off, 4)
		if bits < 32 {
			g.emit(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: ^uint32(0) << (32 - bits)})
		}
		g.unless(bpf.JumpEqual, binary.BigEndian.Uint32(b), f)
		b, off = b[4:], off+4
	}
	g.jump(t)
}

func (g *generator) ports(v view, n portTerm, t, f label) {
	numbers := []uint32{protoSpecs[protoTCP].number, protoSpecs[protoUDP].number, protoSpecs[protoSCTP].number}
	if n.p != protoNone {
		numbers = []uint32{protoSpecs[n.p].number}
	}
	six := g.label()
	for _, v4 := range []bool{true, false} {
		other, ok, off := f, g.label(), uint32(ip6Next)
		if v4 {
			other, off = six, ip4Proto
		}
		g.family(v, v4, other)
		g.load(v, off, 1)
		g.oneOf(numbers, ok, f)
		g.here(ok)
		g.toPorts(v, v4, f)
		g.directed(n.dir, t, f, func(second uint32, t, f label) { g.port(v, v4, second, n.lo, n.hi, t, f) })
		if v4 {
			g.here(six)
		}
	}
}

// toPorts makes X ready for port, and goes to f if there are no ports: in a
// fragment that is not the first, and where the frame is cut short. The family
// has been tested.
func (g *generator) toPorts(v view, v4 bool, f label) {
	if !v4 {
		g.reach(v, ip6Header+4, f)
		return
	}
	next := g.label()
	g.load(v, ip4Frag, 2)
	g.ifA(bpf.JumpBitsSet, 0x1fff, f, next)
	g.here(next)
	before := uint32(4) // octets the frame needs besides X
	if v.tagged {
		g.load(v, 0, 1)
		g.emit(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x0f}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2},
			bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.TAX{})
	} else {
		g.emit(bpf.LoadMemShift{Off: v.l3})
		before += v.l3
	}
	// No underflow: the length is at least that of an IPv4 header.
	g.emit(bpf.LoadExtension{Num: bpf.ExtLen}, bpf.ALUOpConstant{Op: bpf.ALUOpSub, Val: before})
	enough := g.label()
	g.ifX(bpf.JumpGreaterOrEqual, enough, f)
	g.here(enough)
}

// port compares the source (second 0) or destination port. toPorts was there.
func (g *generator) port(v view, v4 bool, second uint32, lo, hi uint16, t, f label) {
	switch {
	case v4: // X is the length of the IPv4 header, for tagged with all before it
		g.emit(bpf.LoadIndirect{Off: v.l3 + 2*second, Size: 2})
	default:
		g.load(v, ip6Header+2*second, 2)
	}
	if lo == hi {
		g.ifA(bpf.JumpEqual, uint32(lo), t, f)
		return
	}
	g.unless(bpf.JumpGreaterOrEqual, uint32(lo), f)
	g.ifA(bpf.JumpGreaterThan, uint32(hi), f, t)
}
