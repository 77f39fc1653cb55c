package ring

import (
	"encoding/binary"

	"golang.org/x/net/bpf"

	"heptap/capture"
)

func (g *generator) ether(v view, n etherTerm, t, f label) {
	if v.raw {
		g.jump(f)
		return
	}
	g.emit(bpf.LoadExtension{Num: bpf.ExtLen})
	g.unless(bpf.JumpGreaterOrEqual, ethHeader, f)
	g.directed(n.dir, t, f, func(second uint32, t, f label) {
		off := 6 - 6*second // the destination comes first
		g.emit(bpf.LoadAbsolute{Off: off, Size: 4})
		g.unless(bpf.JumpEqual, binary.BigEndian.Uint32(n.mac[:]), f)
		g.emit(bpf.LoadAbsolute{Off: off + 4, Size: 2})
		g.ifA(bpf.JumpEqual, uint32(binary.BigEndian.Uint16(n.mac[4:])), t, f)
	})
}

// vlan looks at the tag the kernel took off, and at those in the data.
func (g *generator) vlan(v view, id int, t, f label) {
	inData := g.label()
	g.emit(bpf.LoadExtension{Num: bpf.ExtVLANTagPresent})
	if id == anyVLAN {
		g.ifA(bpf.JumpEqual, 0, inData, t)
	} else {
		next := g.label()
		g.ifA(bpf.JumpEqual, 0, inData, next)
		g.here(next)
		g.emit(bpf.LoadExtension{Num: bpf.ExtVLANTag}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x0fff})
		g.ifA(bpf.JumpEqual, uint32(id), t, inData)
	}
	g.here(inData)
	if !v.tagged {
		g.jump(f)
		return
	}
	for i := range uint32(capture.MaxVLANTags) {
		g.emit(bpf.LoadScratch{Dst: bpf.RegA, N: cellL3})
		g.unless(bpf.JumpGreaterOrEqual, ethHeader+4*(i+1), f)
		if id == anyVLAN {
			g.jump(t)
			return
		}
		next := g.label()
		g.emit(bpf.LoadAbsolute{Off: ethHeader + 4*i, Size: 2}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x0fff})
		g.ifA(bpf.JumpEqual, uint32(id), t, next)
		g.here(next)
	}
	g.jump(f)
}
